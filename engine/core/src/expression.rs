//! What stands between `{{` and `}}`: a plain path, or JavaScript.

use crate::id::NodeId;

/// One expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// A name in scope and the way down from it: resolved natively.
    Path(Root, Vec<Segment>),
    /// Anything more: JavaScript.
    Script(String),
}

/// The names in scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// The run's input.
    Trigger,
    /// The outputs of other steps.
    Steps,
    /// The run itself.
    Run,
    /// The workflow.
    Workflow,
    /// The map item.
    Item,
    /// The map item's place in its list, from 0.
    Index,
    /// Secrets, resolved at the moment of use and never stored.
    Secrets,
}

/// One step down a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Segment {
    /// `.name` or `["name"]`.
    Key(String),
    /// `[3]`.
    Index(usize),
}

impl Expression {
    /// Reads an expression; what is not a plain path is JavaScript.
    pub fn parse(code: &str) -> Self {
        path(code).unwrap_or_else(|| Self::Script(code.to_owned()))
    }

    /// The steps that the expression refers to; `None` when only running it would tell.
    pub fn references(&self) -> Option<Vec<NodeId>> {
        match self {
            Self::Path(Root::Steps, path) => match path.first() {
                Some(Segment::Key(id)) => Some(vec![NodeId::from(id.as_str())]),
                _ => None,
            },
            Self::Path(..) => Some(Vec::new()),
            Self::Script(code) => references_in_script(code),
        }
    }

    /// The secret that the expression names, if it names one.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::Path(Root::Secrets, path) => match path.as_slice() {
                [Segment::Key(name)] => Some(name),
                _ => None,
            },
            _ => None,
        }
    }
}

/// The steps that a script refers to as `steps.<id>`; `None` when it uses `steps` in any other way.
pub fn references_in_script(code: &str) -> Option<Vec<NodeId>> {
    let mut found = Vec::new();
    for (at, steps) in code.match_indices("steps") {
        let (before, after) = (&code[..at], &code[at + steps.len()..]);
        let is_field = before.ends_with('.') && !before.ends_with("...");
        if is_field || before.ends_with(is_word) || after.starts_with(is_word) {
            continue;
        }
        let id: String = after.strip_prefix('.')?.chars().take_while(|c| is_word(*c)).collect();
        if id.is_empty() {
            return None;
        }
        found.push(NodeId::from(id.as_str()));
    }
    Some(found)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

fn path(code: &str) -> Option<Expression> {
    let (root, mut rest) = word(code)?;
    let root = match root {
        "trigger" => Root::Trigger,
        "steps" => Root::Steps,
        "run" => Root::Run,
        "workflow" => Root::Workflow,
        "item" => Root::Item,
        "index" => Root::Index,
        "secrets" => Root::Secrets,
        _ => return None,
    };
    let mut path = Vec::new();
    while !rest.is_empty() {
        let (segment, after) = segment(rest)?;
        path.push(segment);
        rest = after;
    }
    // `length` and methods are JavaScript's business, not a field's name.
    let is_method = matches!(path.last(), Some(Segment::Key(key)) if key == "length");
    (!is_method).then_some(Expression::Path(root, path))
}

fn segment(rest: &str) -> Option<(Segment, &str)> {
    if let Some(rest) = rest.strip_prefix('.') {
        // A node's id may hold `-`, which a JavaScript name may not: only the second word of `steps.<id>` is read so.
        let (key, rest) = word(rest)?;
        return Some((Segment::Key(key.to_owned()), rest));
    }
    let (inside, rest) = rest.strip_prefix('[')?.split_once(']')?;
    let inside = inside.trim();
    if let Ok(index) = inside.parse() {
        return Some((Segment::Index(index), rest));
    }
    let quote = inside.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let key = inside.strip_prefix(quote)?.strip_suffix(quote)?;
    let plain = !key.contains([quote, '\\']);
    plain.then(|| (Segment::Key(key.to_owned()), rest))
}

/// Takes a name from the front: a letter, `_` or `$`, then letters, digits and these.
fn word(text: &str) -> Option<(&str, &str)> {
    let starts_well = text.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '$');
    let end = text.find(|c: char| !is_word(c)).unwrap_or(text.len());
    (starts_well && end > 0).then(|| text.split_at(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(code: &str, expected: &str) {
        let shown = match Expression::parse(code) {
            Expression::Script(_) => "script".to_owned(),
            Expression::Path(root, path) => {
                let path = path.iter().map(|s| match s {
                    Segment::Key(key) => format!(".{key}"),
                    Segment::Index(index) => format!("[{index}]"),
                });
                format!("{root:?}{}", path.collect::<String>())
            }
        };
        assert_eq!(shown, expected, "{code}");
    }

    #[test]
    fn plain_paths_are_told_from_javascript() {
        check("trigger", "Trigger");
        check("trigger.a_b.c1", "Trigger.a_b.c1");
        check("steps.fetch.output.items[0].name", "Steps.fetch.output.items[0].name");
        check("steps['a-b'].output", "Steps.a-b.output");
        for script in
            ["trigger.a + 1", "trigger.a()", "trigger.list.length", "other.a", "trigger.", "trigger[a]", "1", "steps.a-b.output"]
        {
            check(script, "script");
        }
    }

    #[test]
    fn references_are_found_in_paths_and_scripts() {
        let ids =
            |code: &str| Expression::parse(code).references().map(|ids| ids.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(ids("steps.a.output.x"), Some(vec!["a".into()]));
        assert_eq!(ids("steps.a.output + steps.b.output.mysteps.c"), Some(vec!["a".into(), "b".into()]));
        assert_eq!(ids("trigger.steps.a"), Some(vec![]));
        assert_eq!(ids("Object.keys(steps)"), None);
    }
}

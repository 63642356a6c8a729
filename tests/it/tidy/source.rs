//! The sources as the tidy rules see them.

use std::path::Path;

use flowforge_tests::root;

/// One source file.
pub(super) struct Source {
    /// Its path from the root of the repository.
    pub(super) path: String,
    /// Its text.
    pub(super) text: String,
}

impl Source {
    /// Its lines up to the tests at its end, comments left out, each with its number.
    pub(super) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let lines = self.text.lines().enumerate().map(|(index, line)| (index + 1, line));
        let code = lines.take_while(|(_, line)| line.trim() != "#[cfg(test)]");
        code.map(|(number, line)| (number, without_comment(line)))
    }

    /// How many lines it has without its tests.
    pub(super) fn length(&self) -> usize {
        self.code().count()
    }

    /// Its functions as (name, lines), found by indentation: rustfmt closes a function where it opened it.
    pub(super) fn functions(&self) -> Vec<(String, usize)> {
        let code: Vec<_> = self.code().collect();
        let starts = code.iter().enumerate().filter_map(|(at, (_, line))| Some((at, function_name(line)?)));
        starts.map(|(at, name)| (name, end_of(&code[at..]))).collect()
    }
}

/// Every file with this ending under the folders, without what tools generate.
pub(super) fn sources(folders: &[&str], ending: &str) -> Vec<Source> {
    let mut found = Vec::new();
    for folder in folders {
        collect(&root().join(folder), ending, &mut found);
    }
    found.sort_by(|a: &Source, b: &Source| a.path.cmp(&b.path));
    found
}

fn collect(folder: &Path, ending: &str, found: &mut Vec<Source>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if path.is_dir() && !matches!(name.as_str(), "node_modules" | "target" | "dist") {
            collect(&path, ending, found);
        } else if name.ends_with(ending) && !name.contains("generated") && !name.ends_with(".d.ts") {
            let text = std::fs::read_to_string(&path).expect("sources are UTF-8");
            let path = path.strip_prefix(root()).expect("it lies under the root").to_string_lossy().into_owned();
            found.push(Source { path, text });
        }
    }
}

fn without_comment(line: &str) -> &str {
    let end = line.find("// ").or_else(|| line.trim_start().starts_with("//").then(|| line.find("//"))?);
    &line[..end.unwrap_or(line.len())]
}

fn function_name(line: &str) -> Option<String> {
    let words: Vec<_> = line.split_whitespace().collect();
    let place = words.iter().position(|word| *word == "fn")?;
    let modifiers = ["pub", "pub(crate)", "pub(super)", "const", "async", "unsafe", "extern"];
    let plain = words[..place].iter().all(|word| modifiers.contains(word));
    plain.then(|| words.get(place + 1).unwrap_or(&"").split(['(', '<']).next().unwrap_or("").to_owned())
}

fn end_of(code: &[(usize, &str)]) -> usize {
    let indent = |line: &str| line.len() - line.trim_start().len();
    let (first, open) = code[0];
    let last = code.iter().skip(1).find(|(_, line)| indent(line) == indent(open) && line.trim_start().starts_with('}'));
    match last {
        _ if open.trim_end().ends_with(['}', ';']) => 1,
        Some((number, _)) => number - first + 1,
        None => 1,
    }
}

//! Lines and their ends.

/// How a text ends its lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It has none.
    None,
    /// Line feeds only.
    Lf,
    /// Carriage return and line feed only.
    CrLf,
    /// Both.
    Mixed,
}

pub(super) fn ending(text: &str) -> Ending {
    let (all, returns) = (text.matches('\n').count(), text.matches("\r\n").count());
    match (all, returns) {
        (0, _) => Ending::None,
        (_, 0) => Ending::Lf,
        (all, returns) if all == returns => Ending::CrLf,
        _ => Ending::Mixed,
    }
}

/// The text with line feeds only.
pub(super) fn plain(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// A text with line feeds, with the ends that another one has.
pub(super) fn ended_like(text: &str, ending: Ending) -> String {
    if ending == Ending::CrLf { text.replace('\n', "\r\n") } else { text.to_owned() }
}

/// The ends that both sides want: those of the side that changed them.
pub(super) fn wanted(base: Ending, ours: Ending, theirs: Ending) -> Option<Ending> {
    let known = |ending: Ending| !matches!(ending, Ending::Mixed);
    if !(known(ours) && known(theirs)) {
        return None;
    }
    match (ours, theirs) {
        (Ending::None, other) | (other, Ending::None) => Some(other),
        (ours, theirs) if ours == theirs => Some(ours),
        (ours, theirs) if base == ours => Some(theirs),
        (ours, _) => Some(ours),
    }
}

/// The lines, each with its end.
pub(super) fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_side_that_changed_the_ends_decides() {
        use Ending::{CrLf, Lf, Mixed, None};
        assert_eq!([ending(""), ending("a\n"), ending("a\r\nb"), ending("a\r\nb\n")], [None, Lf, CrLf, Mixed]);
        assert_eq!(wanted(Lf, Lf, CrLf), Some(CrLf));
        assert_eq!(wanted(Lf, CrLf, Lf), Some(CrLf));
        assert_eq!(wanted(None, Lf, CrLf), Some(Lf));
        assert_eq!(wanted(Lf, Mixed, CrLf), Option::None);
        assert_eq!(ended_like(&plain("a\r\nb\n"), CrLf), "a\r\nb\r\n");
    }
}

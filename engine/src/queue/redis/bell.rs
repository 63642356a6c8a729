//! Words between processes: one channel, and for each word who says it, what, and of which run.

use super::Bell;

/// The channel that every process listens to.
pub(super) const CHANNEL: &str = "flowforge:bell";

pub(super) fn write(speaker: &str, bell: Bell) -> String {
    match bell {
        Bell::Owner(run) => format!("{speaker} owner {run}"),
        Bell::Watched(run) => format!("{speaker} watched {run}"),
        Bell::News(run) => format!("{speaker} news {run}"),
    }
}

/// What another process says; nothing when no version of this program would have said so.
pub(super) fn read(listener: &str, payload: &[u8]) -> Option<Bell> {
    let mut words = std::str::from_utf8(payload).ok()?.splitn(3, ' ');
    let (speaker, word, run) = (words.next()?, words.next()?, words.next()?);
    let run = run.parse().ok()?;
    match word {
        _ if speaker == listener => None,
        "owner" => Some(Bell::Owner(run)),
        "watched" => Some(Bell::Watched(run)),
        "news" => Some(Bell::News(run)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use flowforge_core::RunId;

    use super::*;
    use crate::clock;

    #[test]
    fn a_word_is_heard_as_it_was_said() {
        let run = RunId::new(clock::new_uuid());
        for bell in [Bell::Owner(run), Bell::Watched(run), Bell::News(run)] {
            assert_eq!(read("other", write("one", bell).as_bytes()), Some(bell));
            assert_eq!(read("one", write("one", bell).as_bytes()), None, "nobody listens to himself");
        }
        for noise in ["", "owner", "one owner wf_1", "one shout run_00000000000000000000000000000abc", "\u{0}"] {
            assert_eq!(read("other", noise.as_bytes()), None, "{noise}");
        }
    }
}

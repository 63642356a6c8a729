//! Words between processes: one channel, a word and a run each.

use super::Bell;

/// The channel that every process listens to.
pub(super) const CHANNEL: &str = "flowforge:bell";

pub(super) fn write(bell: Bell) -> String {
    match bell {
        Bell::Owner(run) => format!("owner {run}"),
        Bell::Watched(run) => format!("watched {run}"),
        Bell::News(run) => format!("news {run}"),
    }
}

/// Nothing when no version of this program would have said so.
pub(super) fn read(payload: &[u8]) -> Option<Bell> {
    let (word, run) = std::str::from_utf8(payload).ok()?.split_once(' ')?;
    let run = run.parse().ok()?;
    match word {
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
            assert_eq!(read(write(bell).as_bytes()), Some(bell));
        }
        for noise in ["", "owner", "owner wf_1", "shout run_00000000000000000000000000000abc", "\u{0}"] {
            assert_eq!(read(noise.as_bytes()), None, "{noise}");
        }
    }
}

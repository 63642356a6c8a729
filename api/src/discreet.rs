//! What the process does so that the secrets in its memory stay there.

use std::panic::{PanicHookInfo, set_hook};

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// How the messages of panics begin that tell numbers and nothing else.
const ONLY_NUMBERS: [&str; 4] = ["index out of bounds: ", "range start index ", "range end index ", "slice index starts at "];

/// Leaves no core files behind, lets no other process of this user look into this one, and writes no values into the log when
/// something panics. Where the system refuses, the log says so.
pub(crate) fn begin() {
    set_hook(Box::new(tell));
    let nothing = Rlimit { current: Some(0), maximum: Some(0) };
    if let Err(fault) = setrlimit(Resource::Core, nothing) {
        eprintln!("flowforge: core files cannot be switched off: {fault}");
    }
    if let Err(fault) = set_dumpable_behavior(DumpableBehavior::NotDumpable) {
        eprintln!("flowforge: other processes of this user may look into the memory of this one: {fault}");
    }
}

fn tell(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    tracing::error!("a thread panicked at {place}: {}", message(panic));
}

/// What can hold no value of a user's: words that stand in the program, and numbers.
fn message<'p>(panic: &'p PanicHookInfo<'_>) -> &'p str {
    if let Some(words) = panic.payload().downcast_ref::<&'static str>() {
        return words;
    }
    let formatted = panic.payload().downcast_ref::<String>().filter(|text| tells_only_numbers(text));
    formatted.map_or("(its message is left out, since it may hold a secret)", String::as_str)
}

fn tells_only_numbers(text: &str) -> bool {
    ONLY_NUMBERS.iter().any(|start| text.starts_with(start)) && !text.contains(['`', '"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_may_hold_a_value_are_left_out() {
        assert!(tells_only_numbers("index out of bounds: the len is 3 but the index is 5"));
        assert!(!tells_only_numbers("byte index 5 is not a char boundary; it is inside 'é' (bytes 4..6) of `s3crét`"));
        assert!(!tells_only_numbers("range end index 5 out of range of `s3cret`"));
    }
}

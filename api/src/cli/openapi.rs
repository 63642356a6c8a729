//! `flowforge openapi`: the description that clients are generated from.

use std::process::ExitCode;

use crate::router;

pub(super) fn print() -> ExitCode {
    print!("{}", router::document_json());
    ExitCode::SUCCESS
}

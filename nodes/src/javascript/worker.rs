//! The child's side: limits itself, then answers requests until the pipe closes.

use std::{
    io::{self, BufReader, BufWriter},
    process::ExitCode,
};

use super::{
    confine::{confine, limit_time},
    script,
    wire::{self, Request},
};

/// The usual limit on memory, when the parent names none.
const MEMORY: u64 = 512 << 20;

/// What the hidden command `js-worker` does. Call it first in `main`, before any thread is started: the limits belong to the
/// whole process, and it replaces itself once, so that its allocator begins life under them.
pub fn js_worker_main() -> ExitCode {
    let memory = std::env::args().next_back().and_then(|last| last.parse().ok()).unwrap_or(MEMORY);
    match confine(memory).and_then(|()| serve()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("js-worker: {fault}");
            ExitCode::FAILURE
        }
    }
}

fn serve() -> io::Result<()> {
    let mut input = BufReader::new(io::stdin().lock());
    let mut output = BufWriter::new(io::stdout().lock());
    while let Some(request) = wire::read(&mut input)? {
        limit_time(request.limits.seconds)?;
        let answer = evaluate(&request);
        drop(request);
        wire::answer(&mut output, &answer)?;
        boa_engine::gc::force_collect();
    }
    Ok(())
}

fn evaluate(request: &Request) -> Result<String, wire::Fault> {
    script::evaluate(request).and_then(|json| {
        if json.len() <= request.limits.output {
            return Ok(json);
        }
        let message = format!("the script's value is {} bytes of JSON, {} are allowed", json.len(), request.limits.output);
        Err(wire::Fault::new("OUTPUT_TOO_LARGE", message))
    })
}

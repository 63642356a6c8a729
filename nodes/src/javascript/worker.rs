//! The child's side: limits itself, then answers requests until the pipe closes.

use std::{
    io::{self, BufReader, BufWriter},
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

use super::{
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

/// Takes away what a script has no use for. The first call sets the limits and starts the program anew; the second finds them set.
fn confine(memory: u64) -> io::Result<()> {
    if limit(libc::RLIMIT_AS)?.rlim_max == memory {
        return Ok(());
    }
    close_files();
    set(libc::RLIMIT_CORE, 0, 0)?;
    set(libc::RLIMIT_FSIZE, 0, 0)?;
    set(libc::RLIMIT_AS, memory, memory)?;
    // By this name it is found even when its file was replaced meanwhile.
    Err(Command::new("/proc/self/exe").args(std::env::args_os().skip(1)).env_clear().exec())
}

/// The kernel ends the process when this evaluation has used its time, even if the parent is gone and cannot.
fn limit_time(seconds: u64) -> io::Result<()> {
    set(libc::RLIMIT_CPU, used_seconds()?.saturating_add(seconds).saturating_add(1), libc::RLIM_INFINITY)
}

#[expect(unsafe_code, reason = "closing inherited files has no safe wrapper")]
fn close_files() {
    // SAFETY: nothing in this process has opened a file yet, so nobody's descriptor is closed under them. A kernel that does
    // not know the call leaves the files open, which the standard library opened for this process alone anyway.
    unsafe { libc::syscall(libc::SYS_close_range, 3_u32, u32::MAX, 0_u32) };
}

#[expect(unsafe_code, reason = "resource limits have no safe wrapper")]
fn limit(resource: libc::__rlimit_resource_t) -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a local of the right type.
    let done = unsafe { libc::getrlimit(resource, &raw mut limit) };
    if done == 0 { Ok(limit) } else { Err(io::Error::last_os_error()) }
}

#[expect(unsafe_code, reason = "resource limits have no safe wrapper")]
fn set(resource: libc::__rlimit_resource_t, soft: u64, hard: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: soft, rlim_max: hard };
    // SAFETY: the pointer is to a local of the right type.
    let done = unsafe { libc::setrlimit(resource, &raw const limit) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[expect(unsafe_code, reason = "processor time has no safe wrapper")]
fn used_seconds() -> io::Result<u64> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a local of the right type.
    let done = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    if done == 0 { Ok(time.tv_sec.unsigned_abs()) } else { Err(io::Error::last_os_error()) }
}

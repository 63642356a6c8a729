//! What the child takes away from itself before it reads a script: memory without end, files, the network, the rights of root.

use std::{io, os::unix::process::CommandExt, process::Command};

/// Who the child is when the server is root: a number that owns nothing.
const NOBODY: libc::uid_t = 64_001;

/// The first call sets the limits and starts the program anew; the second finds them set.
pub(super) fn confine(memory: u64) -> io::Result<()> {
    if limit(libc::RLIMIT_AS)?.rlim_max == memory {
        leave();
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
pub(super) fn limit_time(seconds: u64) -> io::Result<()> {
    set(libc::RLIMIT_CPU, used_seconds()?.saturating_add(seconds).saturating_add(1), libc::RLIM_INFINITY)
}

/// Leaves the network and root's rights behind, as far as the machine allows: the engine offers scripts neither, so this is for the
/// day on which a script gets the better of the engine.
#[expect(unsafe_code, reason = "namespaces and identities have no safe wrapper")]
fn leave() {
    let apart = libc::CLONE_NEWNET | libc::CLONE_NEWIPC;
    // SAFETY: there is one thread yet, and the only pointer is null with a length of zero.
    unsafe {
        if libc::geteuid() == 0 {
            libc::unshare(apart);
            libc::setgroups(0, std::ptr::null());
            libc::setresgid(NOBODY, NOBODY, NOBODY);
            libc::setresuid(NOBODY, NOBODY, NOBODY);
        } else {
            libc::unshare(apart | libc::CLONE_NEWUSER);
        }
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        // A change of identity forgets it.
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
    }
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

//! What the kernel grants each process of a command.

use std::io;

use tokio::process::Command;

use super::SandboxLimits;

/// The largest single file, in bytes.
const LARGEST_FILE: u64 = 8 << 30;

/// What a process may have where a control group limits all of them together: the user's processes are counted over all sandboxes,
/// and none may use up what others need.
const PROCESSES: u64 = 32_768;
const HEAP: u64 = 16 << 30;

/// No core files; many but not endless files and processes; no file and no heap beyond what all may have together. Address space is
/// not limited: programs that compile while they run reserve far more than they use.
fn each(limits: &SandboxLimits, grouped: bool) -> [(libc::__rlimit_resource_t, u64); 5] {
    let (processes, heap) =
        if grouped { (PROCESSES, HEAP.max(limits.memory)) } else { (u64::from(limits.processes), limits.memory) };
    [
        (libc::RLIMIT_CORE, 0),
        (libc::RLIMIT_NOFILE, 4_096),
        (libc::RLIMIT_NPROC, processes),
        (libc::RLIMIT_FSIZE, limits.disk.min(LARGEST_FILE)),
        (libc::RLIMIT_DATA, heap),
    ]
}

#[expect(unsafe_code, reason = "limits must be set between fork and exec")]
pub(super) fn set(command: &mut Command, limits: &SandboxLimits, grouped: bool) {
    let limits = each(limits, grouped);
    // SAFETY: getrlimit and setrlimit are async-signal-safe, and the pointers are to locals.
    unsafe {
        command.pre_exec(move || {
            for (resource, most) in limits {
                let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                if libc::getrlimit(resource, &raw mut limit) != 0 {
                    return Err(io::Error::last_os_error());
                }
                // Whoever started the server may have granted less already.
                let limit = libc::rlimit { rlim_cur: most.min(limit.rlim_max), rlim_max: most.min(limit.rlim_max) };
                if libc::setrlimit(resource, &raw const limit) != 0 {
                    return Err(io::Error::last_os_error());
                }
            }
            Ok(())
        });
    }
}

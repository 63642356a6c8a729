//! What the kernel grants each process of a command.

use std::io;

use tokio::process::Command;

/// No core files; many but not endless files and processes; no single file beyond 8 GiB; no heap beyond 16 GiB. Address space is not
/// limited: programs that compile while they run reserve far more than they use.
const LIMITS: [(libc::__rlimit_resource_t, u64); 5] = [
    (libc::RLIMIT_CORE, 0),
    (libc::RLIMIT_NOFILE, 4_096),
    (libc::RLIMIT_NPROC, 4_096),
    (libc::RLIMIT_FSIZE, 8 << 30),
    (libc::RLIMIT_DATA, 16 << 30),
];

#[expect(unsafe_code, reason = "limits must be set between fork and exec")]
pub(super) fn set(command: &mut Command) {
    // SAFETY: getrlimit and setrlimit are async-signal-safe, and the pointers are to locals.
    unsafe {
        command.pre_exec(|| {
            for (resource, most) in LIMITS {
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

//! Calls to the kernel that no build needs and that ways out of a sandbox begin with.
//!
//! A list of what is denied, not of what is allowed: programs that are built and run in a sandbox are not known beforehand. Denied
//! calls fail with EPERM, so a program that tries one can go on without. `clone3`, whose flags lie where no filter sees them,
//! answers ENOSYS, upon which every C library takes `clone`.

use std::{
    collections::BTreeMap,
    io::{self, PipeReader, Write},
    os::fd::AsRawFd,
};

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Length, SeccompCmpOp as Op, SeccompCondition, SeccompFilter, SeccompRule,
};
use tokio::process::Command;

/// Mounts and namespaces; the kernel's inner workings; other processes; keys; modules, clocks and names of the whole machine.
const DENIED: &[i64] = &[
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_move_mount,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_mount_setattr,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_bpf,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_userfaultfd,
    libc::SYS_perf_event_open,
    libc::SYS_fanotify_init,
    libc::SYS_lookup_dcookie,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_add_key,
    libc::SYS_keyctl,
    libc::SYS_request_key,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_quotactl,
    libc::SYS_acct,
    libc::SYS_syslog,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_vhangup,
    libc::SYS_nfsservctl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_iopl,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_ioperm,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_modify_ldt,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_uselib,
];
/// Namespaces that `clone` would make.
const NAMESPACES: [i32; 7] = [
    libc::CLONE_NEWNS,
    libc::CLONE_NEWCGROUP,
    libc::CLONE_NEWUTS,
    libc::CLONE_NEWIPC,
    libc::CLONE_NEWUSER,
    libc::CLONE_NEWPID,
    libc::CLONE_NEWNET,
];
/// Families of sockets that no network namespace holds back, or that reach deep into the kernel.
const FAMILIES: [i32; 3] = [libc::AF_VSOCK, libc::AF_ALG, libc::AF_PACKET];
/// The personalities that ordinary programs ask for, and the question which one there is.
const PERSONALITIES: [u64; 5] = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];
/// Requests that type into the terminal of whoever watches: TIOCSTI and TIOCLINUX.
const TERMINALS: [u64; 2] = [0x5412, 0x541c];
/// The bit that marks a call by another way into the same kernel, on x86-64 only.
const X32: i64 = 0x4000_0000;

/// Has the sandbox load the filters.
pub(super) fn set(command: &mut Command) -> io::Result<()> {
    for filter in filters()? {
        let from = pipe_of(&filter)?;
        command.arg("--add-seccomp-fd").arg(from.as_raw_fd().to_string());
        inherit(command, from);
    }
    Ok(())
}

/// As bubblewrap reads them: the one that denies, and the one for `clone3`.
fn filters() -> io::Result<[BpfProgram; 2]> {
    let mut denied: BTreeMap<i64, Vec<SeccompRule>> = DENIED.iter().map(|call| (*call, Vec::new())).collect();
    let mask = |flag: i32| Op::MaskedEq(u64::from(flag.unsigned_abs()));
    let flags = NAMESPACES.iter().map(|flag| rule(&[(0, mask(*flag), u64::from(flag.unsigned_abs()))]));
    denied.insert(libc::SYS_clone, flags.collect::<io::Result<_>>()?);
    let families = FAMILIES.iter().map(|family| rule(&[(0, Op::Eq, u64::from(family.unsigned_abs()))]));
    denied.insert(libc::SYS_socket, families.collect::<io::Result<_>>()?);
    denied.insert(libc::SYS_personality, vec![rule(&PERSONALITIES.map(|known| (0, Op::Ne, known)))?]);
    let terminals = TERMINALS.map(|request| rule(&[(1, Op::Eq, request)]));
    denied.insert(libc::SYS_ioctl, terminals.into_iter().collect::<io::Result<_>>()?);
    let missing = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    Ok([filter(denied, libc::EPERM)?, filter(missing, libc::ENOSYS)?])
}

fn rule(conditions: &[(u8, Op, u64)]) -> io::Result<SeccompRule> {
    let conditions = conditions.iter().map(|(at, how, value)| SeccompCondition::new(*at, Length::Dword, how.clone(), *value));
    let conditions = conditions.collect::<Result<_, _>>().map_err(io::Error::other)?;
    SeccompRule::new(conditions).map_err(io::Error::other)
}

fn filter(mut rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> io::Result<BpfProgram> {
    if cfg!(target_arch = "x86_64") {
        let x32: Vec<_> = rules.iter().map(|(call, rules)| (call | X32, rules.clone())).collect();
        rules.extend(x32);
    }
    let architecture = std::env::consts::ARCH.try_into().map_err(io::Error::other)?;
    let denied = SeccompAction::Errno(errno.unsigned_abs());
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, denied, architecture).map_err(io::Error::other)?;
    filter.try_into().map_err(io::Error::other)
}

/// A filter is far smaller than what a pipe holds.
fn pipe_of(filter: &BpfProgram) -> io::Result<PipeReader> {
    let (from, mut to) = io::pipe()?;
    let mut bytes = Vec::with_capacity(filter.len() * 8);
    for instruction in filter {
        bytes.extend(instruction.code.to_ne_bytes());
        bytes.extend([instruction.jt, instruction.jf]);
        bytes.extend(instruction.k.to_ne_bytes());
    }
    to.write_all(&bytes)?;
    Ok(from)
}

#[expect(unsafe_code, reason = "only the child may keep it over exec, so it must be said between fork and exec")]
fn inherit(command: &mut Command, from: PipeReader) {
    // SAFETY: fcntl is async-signal-safe, and the closure keeps the descriptor open.
    unsafe {
        command.pre_exec(move || match libc::fcntl(from.as_raw_fd(), libc::F_SETFD, 0) {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        });
    }
}

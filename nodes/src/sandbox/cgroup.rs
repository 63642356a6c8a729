//! Limits that hold for everything inside a sandbox together, where the machine lets this process make control groups.
//!
//! Each group is named after the process that made it, with its start time: one that finds a group of a process that is gone
//! ends what is in it and removes it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    os::fd::AsRawFd,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use tokio::process::Command;

use super::SandboxLimits;

/// What the names of groups begin with.
const PREFIX: &str = "flowforge.";
/// The period over which the time of processors is shared out, in microseconds.
const PERIOD_US: f64 = 100_000.0;
/// How often, and after what pause, it is looked whether processes that were killed are gone: five seconds in all.
const LOOKS: u32 = 500;
const PAUSE: Duration = Duration::from_millis(10);

/// Where groups can be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hierarchy {
    version: Version,
    /// This process's own folder in each.
    folders: Vec<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    /// A folder for each of memory, cpu and pids.
    V1,
    /// One folder for all.
    V2,
}

/// The group of a sandbox. Dropping it ends everything inside, and removes it.
#[derive(Debug)]
pub(super) struct Cgroup {
    version: Version,
    folders: Vec<PathBuf>,
}

impl Hierarchy {
    /// Finds out whether groups can be made here, and removes those of processes that are gone.
    pub(super) fn find() -> Option<Self> {
        let own = fs::read_to_string("/proc/self/cgroup").ok()?;
        let found = Self::at(Path::new("/sys/fs/cgroup"), &own)?;
        found.sweep();
        let probe = found.create("probe", &SandboxLimits::default());
        match probe {
            Ok(_) => Some(found),
            Err(fault) => {
                tracing::info!(%fault, "no control groups can be made here: sandboxes have limits for each process only");
                None
            }
        }
    }

    fn at(root: &Path, own: &str) -> Option<Self> {
        let place = |mount: PathBuf, path: &str| {
            // In a container the path may be the host's.
            let below = mount.join(path.trim_start_matches('/'));
            if below.is_dir() { below } else { mount }
        };
        let line =
            |name: &str| own.lines().filter_map(|line| line.split_once(':')?.1.split_once(':')).find(|line| line.0 == name);
        if root.join("cgroup.controllers").exists() {
            let folder = place(root.to_owned(), line("")?.1);
            return Some(Self { version: Version::V2, folders: vec![folder] });
        }
        let folder = |name: &&str| {
            let controllers = own.lines().filter_map(|line| line.split_once(':')?.1.split_once(':'));
            let (_, path) = controllers.into_iter().find(|(names, _)| names.split(',').any(|own| own == *name))?;
            let mount = root.join(name);
            mount.is_dir().then(|| place(mount, path))
        };
        let folders = ["memory", "cpu", "pids"].iter().map(folder).collect::<Option<Vec<_>>>()?;
        Some(Self { version: Version::V1, folders })
    }

    /// Makes a group with these limits.
    pub(super) fn create(&self, name: &str, limits: &SandboxLimits) -> io::Result<Cgroup> {
        static COUNTED: AtomicU64 = AtomicU64::new(0);
        if self.version == Version::V2 {
            self.delegate()?;
        }
        let (process, started) = (std::process::id(), started(std::process::id()).unwrap_or_default());
        let count = COUNTED.fetch_add(1, Ordering::Relaxed);
        let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(60).collect();
        let name = format!("{PREFIX}{process}.{started}.{count}.{name}");
        let folders = self.folders.iter().map(|folder| folder.join(&name)).collect();
        let group = Cgroup { version: self.version, folders };
        group.folders.iter().try_for_each(fs::create_dir)?;
        group.limit(limits)?;
        Ok(group)
    }

    /// A group with processes of its own may not share out: this process moves one below, as services with delegated groups do.
    fn delegate(&self) -> io::Result<()> {
        let [folder] = &*self.folders else { return Ok(()) };
        let shared = folder.join("cgroup.subtree_control");
        let wanted = "+memory +cpu +pids";
        if fs::write(&shared, wanted).is_ok() {
            return Ok(());
        }
        let below = folder.join("flowforge-server");
        fs::create_dir_all(&below)?;
        for process in fs::read_to_string(folder.join("cgroup.procs"))?.lines() {
            fs::write(below.join("cgroup.procs"), process)?;
        }
        fs::write(&shared, wanted)
    }

    #[cfg(test)]
    pub(super) fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    fn sweep(&self) {
        for folder in &self.folders {
            let entries = fs::read_dir(folder).into_iter().flatten().flatten();
            for entry in entries.filter(|entry| is_left_behind(&entry.file_name().to_string_lossy())) {
                drop(Cgroup { version: self.version, folders: vec![entry.path()] });
            }
        }
    }
}

/// Whether the process that this group is named after is gone.
fn is_left_behind(name: &str) -> bool {
    let mut parts = name.strip_prefix(PREFIX).into_iter().flat_map(|rest| rest.split('.'));
    let (process, begun) = (parts.next().and_then(|part| part.parse().ok()), parts.next().and_then(|part| part.parse().ok()));
    process.zip(begun).is_some_and(|(process, begun): (u32, u64)| started(process) != Some(begun))
}

/// When a process was started, in ticks of the machine's clock.
pub(super) fn started(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    text.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

impl Cgroup {
    fn limit(&self, limits: &SandboxLimits) -> io::Result<()> {
        let memory = limits.memory.to_string();
        let quota = format!("{:.0}", (limits.cpus * PERIOD_US).max(1_000.0));
        let processes = limits.processes.to_string();
        let write = |at: usize, name: &str, text: &str| fs::write(self.folders[at].join(name), text);
        match self.version {
            Version::V1 => {
                write(0, "memory.limit_in_bytes", &memory)?;
                // Not every kernel counts swap.
                write(0, "memory.memsw.limit_in_bytes", &memory).ok();
                write(1, "cpu.cfs_period_us", "100000")?;
                write(1, "cpu.cfs_quota_us", &quota)?;
                write(2, "pids.max", &processes)
            }
            Version::V2 => {
                write(0, "memory.max", &memory)?;
                write(0, "memory.swap.max", "0").ok();
                write(0, "memory.oom.group", "1").ok();
                write(0, "cpu.max", &format!("{quota} 100000"))?;
                write(0, "pids.max", &processes)
            }
        }
    }

    /// Has the command begin inside.
    #[expect(unsafe_code, reason = "a process must enter before it does anything else")]
    pub(super) fn enter(&self, command: &mut Command) -> io::Result<()> {
        let open = |folder: &PathBuf| OpenOptions::new().write(true).open(folder.join("cgroup.procs"));
        let doors: Vec<File> = self.folders.iter().map(open).collect::<io::Result<_>>()?;
        // SAFETY: write is async-signal-safe, and the closure keeps the files open.
        unsafe {
            command.pre_exec(move || {
                let entered = doors.iter().all(|door| libc::write(door.as_raw_fd(), c"0".as_ptr().cast(), 1) == 1);
                if entered { Ok(()) } else { Err(io::Error::last_os_error()) }
            });
        }
        Ok(())
    }

    /// Whether the kernel ended something inside for want of memory.
    pub(super) fn ran_out_of_memory(&self) -> bool {
        let name = if self.version == Version::V1 { "memory.oom_control" } else { "memory.events" };
        let mut text = String::new();
        let read = self.folders.first().and_then(|folder| File::open(folder.join(name)).ok()?.read_to_string(&mut text).ok());
        let count = |line: &str| line.strip_prefix("oom_kill ").and_then(|count| count.trim().parse().ok());
        read.is_some() && text.lines().find_map(count).is_some_and(|count: u64| count > 0)
    }
}

/// Ends whatever is inside, and removes the folder once it is empty.
fn end(folder: &Path) {
    for _ in 0..LOOKS {
        if fs::remove_dir(folder).is_ok() || !folder.exists() {
            return;
        }
        kill(folder);
        thread::sleep(PAUSE);
    }
    tracing::warn!(folder = %folder.display(), "a control group could not be emptied; the next start tries again");
}

#[expect(unsafe_code, reason = "signals have no safe wrapper")]
fn kill(folder: &Path) {
    if let Ok(mut all) = OpenOptions::new().write(true).open(folder.join("cgroup.kill")) {
        all.write_all(b"1").ok();
        return;
    }
    let processes = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    for process in processes.lines().filter_map(|line| line.parse::<i32>().ok()).filter(|process| *process > 1) {
        // SAFETY: the call touches no memory.
        unsafe { libc::kill(process, libc::SIGKILL) };
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        let folders = std::mem::take(&mut self.folders);
        let ended = thread::Builder::new().name("cgroup-end".to_owned()).spawn(move || folders.iter().for_each(|f| end(f)));
        if let Err(fault) = ended {
            tracing::warn!(%fault, "a control group was left behind; the next start removes it");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_are_found_where_this_process_is() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for folder in ["memory/a/b", "cpu", "pids"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let own = "8:pids:/gone\n4:memory:/a/b\n1:cpu,cpuacct:/\n0::/x\n";
        let found = Hierarchy::at(root, own).unwrap();
        assert_eq!(
            (found.version, found.folders),
            (Version::V1, vec![root.join("memory/a/b"), root.join("cpu"), root.join("pids")])
        );
        assert_eq!(Hierarchy::at(root, "4:memory:/\n"), None);
        fs::write(root.join("cgroup.controllers"), "").unwrap();
        fs::create_dir(root.join("x")).unwrap();
        let found = Hierarchy::at(root, own).unwrap();
        assert_eq!((found.version, found.folders), (Version::V2, vec![root.join("x")]));
    }

    #[test]
    fn a_group_is_left_behind_when_its_process_is_gone() {
        let (process, begun) = (std::process::id(), started(std::process::id()).unwrap());
        assert!(!is_left_behind(&format!("{PREFIX}{process}.{begun}.0.a")));
        assert!(is_left_behind(&format!("{PREFIX}{process}.{}.0.a", begun + 1)));
        assert!(is_left_behind(&format!("{PREFIX}4294967294.1.0.a")));
        assert!(!is_left_behind("somebody-elses") && !is_left_behind("flowforge.x.y"));
    }
}

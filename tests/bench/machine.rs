//! What the machine says: processor time of processes, and how fast its disk is just now.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_getcpuclockid};
use nix::unistd::Pid;

/// User and system time of a process and all that descend from it, the ended ones included.
pub(crate) fn cpu(root: u32) -> Duration {
    let family = std::iter::once(root).chain(descendants(root));
    family.map(|pid| own_time(pid) + children_that_ended(pid)).sum()
}

/// The memory that a process has in use, in MiB.
pub(crate) fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or_default() / 1024.0
}

/// The median of 60 appended and synced blocks of 4 KiB.
pub(crate) fn fsync_probe(folder: &Path) -> Duration {
    let mut file = std::fs::File::create(folder.join("fsync.probe")).expect("a file");
    let mut times: Vec<_> = (0..60)
        .map(|_| {
            let began = Instant::now();
            file.write_all(&[b'x'; 4096]).expect("the disk takes it");
            file.sync_data().expect("the disk keeps it");
            began.elapsed()
        })
        .collect();
    times.sort();
    times[times.len() / 2]
}

/// What the report says about where it was made.
pub(crate) fn description() -> String {
    let processors = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = processors.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = memory.lines().find_map(|line| line.strip_prefix("MemTotal:")?.split_whitespace().next()?.parse::<u64>().ok());
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let name = name.map_or("processors", |(_, name)| name.trim());
    format!("{cores} × {name}, {} GiB, Linux {}", kib.unwrap_or_default() >> 20, kernel.trim())
}

/// A process's own clock counts nanoseconds, threads that have ended included. One that is gone has no more.
fn own_time(pid: u32) -> Duration {
    let clock = clock_getcpuclockid(Pid::from_raw(pid.cast_signed()));
    clock.and_then(ClockId::now).map_or(Duration::ZERO, Duration::from)
}

/// cutime and cstime, which the kernel tells in hundredths of a second on every platform that we measure on.
fn children_that_ended(pid: u32) -> Duration {
    let fields = after_name(pid);
    let ticks = |place: usize| fields.get(place).and_then(|text| text.parse::<u64>().ok()).unwrap_or_default();
    Duration::from_millis((ticks(13) + ticks(14)) * 10)
}

fn descendants(root: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok());
    let parents: Vec<(u32, u32)> = pids.filter_map(|pid| Some((pid, after_name(pid).get(1)?.parse().ok()?))).collect();
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, mine)| *mine == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

/// The fields of `/proc/PID/stat` from the state on; the name before it may hold anything.
fn after_name(pid: u32) -> Vec<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let rest = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    rest.split_whitespace().map(str::to_owned).collect()
}

//! What the machine says: processor time of processes, and how fast its disk is just now.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// User and system time of a process and all that descend from it, the ended ones included.
pub(crate) fn cpu(root: u32) -> Duration {
    let own: u64 = times(root).iter().sum();
    let ticks = own + descendants(root).iter().map(|pid| times(*pid)[..2].iter().sum::<u64>()).sum::<u64>();
    // The kernel counts in hundredths of a second on every platform that we measure on.
    Duration::from_millis(ticks * 10)
}

/// The memory that a process has in use, in MiB.
pub(crate) fn resident_mib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() / 1024
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

/// utime, stime, cutime, cstime.
fn times(pid: u32) -> [u64; 4] {
    let fields = after_name(pid);
    let field = |place: usize| fields.get(place).and_then(|text| text.parse().ok()).unwrap_or_default();
    [field(11), field(12), field(13), field(14)]
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

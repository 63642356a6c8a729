//! What a sandbox may write to the disk: its folders are measured while it runs.

use std::{
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    time::Duration,
};

use tokio::{task::spawn_blocking, time::sleep};

/// How often folders are measured at the most; large ones are measured so rarely that it takes little of the time.
const PAUSE: Duration = Duration::from_millis(500);
const PAUSE_EACH: Duration = Duration::from_micros(100);
/// What the smallest file takes on a disk: many empty files fill one too.
const LEAST: u64 = 512;

/// Ends when the folders hold more than this together, in bytes, and says how much they hold.
pub(super) async fn exceeds(folders: Vec<PathBuf>, most: u64) -> u64 {
    loop {
        let measured = folders.clone();
        let found = spawn_blocking(move || measured.iter().map(|folder| measure(folder)).reduce(sum)).await;
        let Held { bytes, entries } = found.ok().flatten().unwrap_or_default();
        if bytes > most {
            return bytes;
        }
        sleep(PAUSE.max(PAUSE_EACH * entries)).await;
    }
}

/// What folders hold.
#[derive(Debug, Default)]
struct Held {
    bytes: u64,
    entries: u32,
}

fn sum(one: Held, other: Held) -> Held {
    Held { bytes: one.bytes + other.bytes, entries: one.entries.saturating_add(other.entries) }
}

/// What vanishes in between takes no room.
fn measure(folder: &Path) -> Held {
    let mut folders = vec![folder.to_owned()];
    let mut held = Held::default();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            held.bytes += (found.blocks() * 512).max(LEAST);
            held.entries = held.entries.saturating_add(1);
            if found.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    held
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_lies_deep_and_what_is_empty_counts() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("a/b");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("large"), vec![1; 100_000]).unwrap();
        assert!(measure(folder.path()).bytes >= 100_000);
        let before = measure(folder.path()).bytes;
        (0..50).for_each(|n| fs::write(deep.join(n.to_string()), "").unwrap());
        assert!(measure(folder.path()).bytes >= before + 50 * LEAST);
        assert!(exceeds(vec![folder.path().to_owned()], 90_000).await > 90_000);
    }
}

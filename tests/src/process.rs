//! Scripts of `tests/`, and what processes leave behind.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

/// The root folder of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ has a parent").to_path_buf()
}

/// Claude Code's program: where `FLOWFORGE_CLAUDE` says, or where `tests/setup/claude.sh` has put it. Nothing where it cannot be had;
/// tests that need it then say SKIPPED.
pub fn claude() -> Option<String> {
    if let Some(named) = std::env::var_os("FLOWFORGE_CLAUDE") {
        return Some(named.to_string_lossy().into_owned());
    }
    let versions = std::fs::read_dir(root().join("target/claude")).ok()?.flatten().map(|entry| entry.path().join("claude"));
    versions.filter(|path| path.is_file()).map(|path| path.to_string_lossy().into_owned()).max()
}

/// Runs a script of `tests/` to its end and returns what it printed; panics with its errors when it fails.
pub fn run_script(script: &str, arguments: &[&str]) -> String {
    let path = root().join("tests").join(script);
    let done = Command::new(&path).args(arguments).output().expect("the script starts");
    assert!(done.status.success(), "{script} failed:\n{}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

/// The command lines of processes other than this one that mention `marker` in their arguments or work in that folder.
pub fn leftovers(marker: &str) -> Vec<String> {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let own = std::process::id().to_string();
    processes
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().parse::<u32>().is_ok() && *entry.file_name() != *own)
        .filter_map(|entry| {
            let line = std::fs::read(entry.path().join("cmdline")).ok()?;
            let line = String::from_utf8_lossy(&line).replace('\0', " ");
            let folder = std::fs::read_link(entry.path().join("cwd")).unwrap_or_default();
            (line.contains(marker) || folder.to_string_lossy().contains(marker)).then_some(line)
        })
        .collect()
}

/// What is left of them after so long at the most: a process that was killed takes a moment to be gone, and tells nobody.
pub async fn left_after(limit: Duration, marker: &str) -> Vec<String> {
    let until = tokio::time::Instant::now() + limit;
    loop {
        let left = leftovers(marker);
        if left.is_empty() || tokio::time::Instant::now() >= until {
            return left;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

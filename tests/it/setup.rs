//! The scripts behind `make`: what they say when something is missing.

use std::path::Path;
use std::process::{Command, Output};

use flowforge_tests::root;

/// Runs a script of `tests/setup` where only these programs exist.
fn with_only(programs: &[&str], script: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    for program in programs {
        let real = std::env::var("PATH").expect("a PATH");
        let real = real.split(':').map(|place| Path::new(place).join(program)).find(|path| path.exists());
        let real = real.unwrap_or_else(|| panic!("this machine has no {program}"));
        std::os::unix::fs::symlink(real, folder.path().join(program)).expect("a link");
    }
    let mut command = Command::new("/bin/sh");
    command.arg(root().join("tests/setup").join(script)).args(arguments).current_dir(root());
    command.env_clear().env("PATH", folder.path()).output().expect("sh starts")
}

#[track_caller]
fn says_in_one_line(output: &Output, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(words.iter().all(|word| said.contains(word)), "{said}");
}

#[test]
fn a_missing_tool_is_named_in_one_line() {
    says_in_one_line(&with_only(&[], "tools.sh", &["cargo", "node"]), &["cargo is missing", "https://rustup.rs"]);
    says_in_one_line(&with_only(&["sh"], "tools.sh", &["npm"]), &["npm is missing", "Node.js 20"]);
}

#[test]
fn tools_that_are_there_are_no_news() {
    let output = with_only(&["git", "make"], "tools.sh", &["git", "make"]);
    assert!(output.status.success() && output.stderr.is_empty() && output.stdout.is_empty(), "{output:?}");
}

#[test]
fn missing_packages_are_named_together() {
    let output = with_only(&["id", "git", "ls"], "system.sh", &[]);
    says_in_one_line(&output, &["redis-server", "chromium", "bubblewrap"]);
}

#[test]
fn a_browser_test_without_a_browser_says_so() {
    says_in_one_line(&with_only(&[], "play.sh", &["e2e"]), &["Chromium is missing", "CHROMIUM"]);
}

#[test]
fn every_target_is_explained() {
    let help = Command::new("make").current_dir(root()).output().expect("make starts");
    let help = String::from_utf8_lossy(&help.stdout).into_owned();
    for target in ["run", "build", "dev", "test", "fmt", "lint", "bench"] {
        assert!(help.contains(&format!("make {target} ")), "{help}");
    }
}

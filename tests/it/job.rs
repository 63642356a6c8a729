//! The main job: clone, branch, change and test, look at the result, commit, push; with a mark in the ledger on the way.

use flowforge_tests::{Ledger, Remote, graph};
use serde_json::{Value, json};

/// The commit that the job makes.
pub(crate) const MESSAGE: &str = "Release 0.3.0 with -L for the longest line";

/// Teaches the program the option `-L`, adds a test case for it and runs the project's own tests.
pub(crate) const WORK: &str = r#"
set -eu
echo 0.3.0 >VERSION
sed -i 's/^    long bytes;/    long bytes;\n    long longest;/' src/count.h
sed -i 's/^    int c, inside = 0;/    long width = 0;\n&/; s/^        n.bytes++;/&\n        width = c == 10 ? 0 : width + 1;\n        if (width > n.longest) n.longest = width;/' src/count.c
sed -i 's/^    else if (strcmp(argv\[1\], "--version") == 0)/    else if (strcmp(argv[1], "-L") == 0)\n        printf("%ld\\n", n.longest);\n&/' src/main.c
printf 'one\nthree\ntwo\n' >tests/cases/longest.in
echo -L >tests/cases/longest.args
echo 5 >tests/cases/longest.out
make -s test
"#;

/// The graph; `trigger.branch` names the branch, and everything of one run is marked with it in the ledger.
pub(crate) fn job(remote: &Remote, ledger: &Ledger) -> Value {
    let mark = |place: &str| json!({"method": "POST", "url": ledger.url(&format!("{{{{ trigger.branch }}}}-{place}"))});
    graph(
        &[
            ("start", "trigger.manual", json!({})),
            ("clone", "git.clone", clone_from(remote)),
            ("cloned", "http.request", mark("cloned")),
            ("branch", "git.branch", json!({"name": "{{ trigger.branch }}"})),
            ("work", "command", json!({"run": WORK, "timeout_s": 60})),
            ("tested", "http.request", mark("tested")),
            ("green", "condition", json!({"expression": "steps.work.output.stdout.includes('9 cases, 0 failed')"})),
            ("commit", "git.commit", json!({"message": MESSAGE})),
            ("committed", "http.request", mark("committed")),
            ("push", "git.push", with_credential(json!({"branch": "{{ trigger.branch }}"}))),
            ("pushed", "http.request", mark("pushed")),
            ("red", "set", json!({"value": "the tests failed"})),
        ],
        "start -> clone; clone -> cloned; cloned -> branch; branch -> work; work -> tested; tested -> green;
         green:true -> commit; green:false -> red; commit -> committed; committed -> push; push -> pushed",
    )
}

/// Parameters of `git.clone` for the whole remote.
pub(crate) fn clone_from(remote: &Remote) -> Value {
    with_credential(json!({"url": remote.url(), "branch": "main"}))
}

fn with_credential(mut params: Value) -> Value {
    params["credential"] = json!(format!("{}:{{{{ secrets.GIT_PASSWORD }}}}", Remote::USER));
    params
}

/// The remote has the job's commit on `branch` exactly once, on top of main, and it is good work.
pub(crate) fn check_pushed(remote: &Remote, branch: &str) {
    assert_eq!(remote.commits(branch), [MESSAGE], "the commits on {branch}");
    remote.git(&["fsck", "--strict", "--no-dangling"]);
    let changed = remote.git(&["diff", "--name-only", "main", &format!("refs/heads/{branch}")]);
    let changed: Vec<_> = changed.lines().collect();
    let wanted = ["VERSION", "src/count.c", "src/count.h", "src/main.c"];
    assert!(wanted.iter().all(|file| changed.contains(file)), "{changed:?}");
    assert!(!changed.contains(&"tally"), "what the project ignores is not committed");
    let folder = remote.checkout(branch);
    let tested = std::process::Command::new("make").args(["-s", "test"]).current_dir(folder.path()).output();
    let tested = tested.expect("make starts");
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stdout));
}

//! What a sandbox costs: `SANDBOX_REPORT=tests/agent/SANDBOX.md cargo test -p flowforge-nodes --lib -- --ignored overhead`.

use std::{env, fmt::Write, fs, path::Path, process::Command, time::Instant};

use super::bench::{Bench, config, exec, played};
use crate::sandbox::{DockerConfig, Network, Program, Sandbox, SandboxConfig, SandboxPolicy};

/// How often each way is measured.
const TIMES: usize = 30;

#[tokio::test]
#[ignore = "it measures"]
async fn overhead() {
    let bench = Bench::new();
    let socket = bench.beside("proxy").join("here.sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let mut text = head();
    row(&mut text, "no sandbox", times(&bench, true, Network::None).await);
    row(&mut text, "bubblewrap, no network", times(&bench, false, Network::None).await);
    row(&mut text, "bubblewrap, a proxy's socket and the forwarder", times(&bench, false, Network::Proxy(&socket)).await);
    if let Ok(host) = env::var("FLOWFORGE_TEST_DOCKER") {
        let docker = Some(DockerConfig { host, image: "flowforge-test".to_owned(), runtime: None });
        let bench = Bench::with(Sandbox::new(SandboxConfig { docker, ..config(SandboxPolicy::Bubblewrap) }));
        row(&mut text, "Docker API (podman, runc), no network", times(&bench, false, Network::None).await);
    }
    let path = env::var("SANDBOX_REPORT").expect("SANDBOX_REPORT names the file to write");
    fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path), text).unwrap();
}

/// From the call to the end of `true`, in milliseconds, sorted.
#[expect(clippy::disallowed_methods, reason = "what is measured is real time")]
async fn times(bench: &Bench, plain: bool, network: Network<'_>) -> Vec<f64> {
    let mut all = Vec::new();
    for _ in 0..TIMES {
        let mut task = bench.task(program());
        task.network = network;
        task.name = "overhead";
        let began = Instant::now();
        let played = played(bench.sandbox.start(&task, plain).await.unwrap()).await;
        all.push(began.elapsed().as_secs_f64() * 1_000.0);
        assert_eq!(played.code, 0, "{played:?}");
    }
    all.sort_by(f64::total_cmp);
    all
}

fn program() -> Program<'static> {
    exec(&["true"], "")
}

fn head() -> String {
    let said = |program: &str, argument: &str| {
        let output = Command::new(program).arg(argument).output().ok();
        output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
    };
    let (kernel, cores) = (said("uname", "-r"), said("nproc", "--all"));
    let (load, bwrap) = (fs::read_to_string("/proc/loadavg").unwrap(), said("bwrap", "--version"));
    format!(
        "# What a sandbox costs\n\nFrom the start of a step's program to its end, where the program is `true`: {TIMES} times each, one after \
         another, a debug build.\nLinux {kernel}, {cores} processors, {bwrap}, load {}.\n\nMade by \
         `SANDBOX_REPORT=tests/agent/SANDBOX.md cargo test -p flowforge-nodes --lib -- --ignored overhead`;\n\
         `FLOWFORGE_TEST_DOCKER` names the engine, see `tests/setup/podman.sh`.\n\n| | median, ms | 95 %, ms | longest, ms |\n|---|---|---|---|\n",
        load.split(' ').next().unwrap_or_default()
    )
}

fn row(text: &mut String, name: &str, all: Vec<f64>) {
    let (median, most) = (all[all.len() / 2], all[all.len() * 95 / 100]);
    writeln!(text, "| {name} | {median:.1} | {most:.1} | {:.1} |", all[all.len() - 1]).unwrap();
}

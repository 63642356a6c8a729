//! Containers of a real engine; where there is none the tests say so and pass.

use std::{fs, io::Write, os::unix::net::UnixListener, sync::OnceLock, thread, time::Duration};

use tokio::{
    io::AsyncReadExt,
    time::{sleep, timeout},
};

use super::*;
use crate::sandbox::{
    Network, Sandbox, SandboxConfig, SandboxLimits, SandboxPolicy,
    tests::bench::{Bench, config, exec},
};

/// How long anything inside may live on.
const GONE: Duration = Duration::from_secs(5);

/// The engine that `tests/setup/podman.sh` started; `FLOWFORGE_TEST_DOCKER` names it.
fn engine() -> Option<DockerConfig> {
    static SAID: OnceLock<()> = OnceLock::new();
    let host = std::env::var("FLOWFORGE_TEST_DOCKER").ok().filter(|host| !host.is_empty());
    if host.is_none() {
        SAID.get_or_init(|| {
            eprintln!("SKIPPED: FLOWFORGE_TEST_DOCKER names no engine; tests/setup/podman.sh starts one where it can")
        });
    }
    host.map(|host| DockerConfig { host, image: "flowforge-test".to_owned(), runtime: None })
}

fn bench() -> Option<Bench> {
    let docker = Some(engine()?);
    Some(Bench::with(Sandbox::new(SandboxConfig { docker, ..config(SandboxPolicy::Bubblewrap) })))
}

async fn nothing_is_left_of(name: &str) {
    let client = Engine::new(engine().unwrap()).client().await.unwrap().clone();
    let name = format!("flowforge-{name}");
    let gone = async {
        // What podman calls stopped, a word that the client does not know, is dead and about to be removed.
        while client.inspect_container(&name, None).await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(GONE, gone).await.expect("the container is still there");
}

#[tokio::test]
async fn a_container_is_the_same_sandbox() {
    let Some(bench) = bench() else { return };
    bench.sandbox.check().await.unwrap();
    let mut task = bench.shell("pwd; echo err >&2; cat; touch here; touch /x /bin/x 2>/dev/null || echo no; echo $A; exit 7");
    task.env = vec![("A".to_owned(), "it's \"$HOME\"".to_owned())];
    task.name = "same";
    let played = bench.play(&task).await;
    assert_eq!((played.code, &*played.stdout, &*played.stderr), (7, "/workspace\nno\nit's \"$HOME\"\n", "err\n"));
    assert!(bench.folder.path().join("tree/here").exists());
    nothing_is_left_of("same").await;
    let look =
        "grep -E 'NoNewPrivs|CapEff|CapBnd|Seccomp:' /proc/self/status | tr -s '\\t\\n' '  '; ulimit -c; ls /sys/class/net";
    let mut task = bench.shell(look);
    task.name = "hardened";
    let none = "0000000000000000";
    assert_eq!(bench.play(&task).await.stdout, format!("CapEff: {none} CapBnd: {none} NoNewPrivs: 1 Seccomp: 2 0\nlo\n"));
}

#[tokio::test]
async fn a_program_in_a_container_gets_its_arguments_and_all_its_input() {
    let Some(bench) = bench() else { return };
    let evil = "$(id) `id` \"; id '\n*";
    let mut task = bench.task(exec(&["printf", "%s|", evil, "", "b"], ""));
    task.name = "arguments";
    assert_eq!(bench.play(&task).await.stdout, format!("{evil}||b|"));
    let mut task = bench.task(exec(&["cat"], "x".repeat(17 << 20)));
    task.name = "input";
    let played = bench.play(&task).await;
    assert_eq!((played.code, played.stdout.len()), (0, 17 << 20));
}

#[tokio::test]
async fn folders_and_the_proxy_are_found_in_a_container() {
    let Some(bench) = bench() else { return };
    let (home, more) = (bench.beside("home"), bench.beside("more"));
    fs::create_dir(bench.folder.path().join("tree/.git")).unwrap();
    fs::write(more.join("read"), "read me\n").unwrap();
    let socket = bench.beside("proxy").join("here.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || {
        for it in listener.incoming() {
            it.unwrap().write_all(b"from outside\n").unwrap();
        }
    });
    let script = "nc 127.0.0.1 3128 </dev/null; cat /opt/more/read; echo x 2>/dev/null >/opt/more/x || echo no; \
        echo x 2>/dev/null >.git/x || echo no; echo kept >~/note; echo $HTTPS_PROXY; exit 3";
    let mut task = bench.shell(script);
    task.network = Network::Proxy(&socket);
    task.home = Some(&home);
    task.read_only = vec![(more, "/opt/more".into())];
    task.name = "folders";
    let played = bench.play(&task).await;
    let expected = "from outside\nread me\nno\nno\nhttp://127.0.0.1:3128\n";
    assert_eq!((played.code, &*played.stdout), (3, expected), "{}", played.stderr);
    assert_eq!(fs::read_to_string(home.join("note")).unwrap(), "kept\n");
}

#[tokio::test]
async fn limits_hold_in_a_container() {
    let Some(bench) = bench() else { return };
    let mut task = bench.shell("head -c 200000000 /dev/zero | tail -c 200000000 >/dev/null");
    task.limits = SandboxLimits { memory: 64 << 20, ..task.limits };
    task.name = "memory";
    let played = bench.play(&task).await;
    assert_ne!(played.code, 0, "{played:?}");
    let mut task = bench.shell("for n in 1 2 3 4 5 6 7 8; do head -c 2000000 /dev/zero >x$n; done; sleep 600");
    task.limits = SandboxLimits { disk: 8 << 20, ..task.limits };
    task.name = "disk";
    let played = bench.play(&task).await;
    assert_eq!(played.breach.as_deref(), Some("SANDBOX_DISK_FULL"), "{played:?}");
    let mut task = bench.shell("n=0; while sleep 600 & do n=$((n+1)); test $n -lt 200 || break; done; echo $n");
    task.limits = SandboxLimits { processes: 40, ..task.limits };
    task.name = "processes";
    assert_ne!(bench.play(&task).await.stdout, "200\n");
}

#[tokio::test]
async fn a_container_ends_with_who_started_it() {
    let Some(bench) = bench() else { return };
    let mut task = bench.shell("(setsid sleep 600 &); echo begun; sleep 600");
    task.name = "dropped";
    let mut running = bench.start(&task).await;
    running.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).await.unwrap();
    // The same attempt again ends the first one.
    let mut again = bench.start(&task).await;
    assert_ne!(running.wait().await.ok(), Some(0));
    again.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).await.unwrap();
    drop((running, again));
    nothing_is_left_of("dropped").await;
}

#[tokio::test]
async fn a_container_ends_without_its_connection() {
    let Some(bench) = bench() else { return };
    let mut task = bench.shell("(setsid sleep 600 &); echo begun; sleep 600");
    task.name = "lost";
    let mut running = bench.start(&task).await;
    running.stdout.as_mut().unwrap().read_exact(&mut [0; 6]).await.unwrap();
    // What a worker that is killed leaves: no farewell, a closed connection.
    let client = Engine::new(engine().unwrap()).client().await.unwrap().clone();
    running.lose_connection();
    // The client does not know a word that podman has for one that has just ended.
    let runs = async || match client.inspect_container("flowforge-lost", None).await {
        Ok(found) => found.state.unwrap().running.unwrap(),
        Err(fault) => !fault.to_string().contains("unknown variant `stopped`"),
    };
    let ended = async {
        while runs().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(GONE, ended).await.expect("it goes on");
    assert!(!is_left_behind(&owner()), "this process is there");
    assert!(is_left_behind(&format!("{}/4194305/1", machine())) && !is_left_behind("elsewhere/4194305/1"));
}

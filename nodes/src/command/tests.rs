//! Commands in the real sandbox, well-behaved ones and others.

use std::{
    io::{self, BufRead, Write},
    process,
};

use flowforge_core::node::Stream;
use serde_json::{Value, json};

use super::*;
use crate::{
    SandboxPolicy,
    testing::{Bench, WORK_DIR, allowing, cloned, remote::Remote, tree_of},
};

fn bench() -> Bench {
    Bench::new("command")
}

async fn prints(bench: &Bench, script: &str, expected: &str) {
    let output = bench.output(json!({"run": script})).await;
    assert_eq!(output.value["stdout"].as_str().unwrap().trim_end(), expected, "{script}");
}

#[tokio::test]
async fn it_puts_out_what_the_command_wrote() {
    let expected = json!({"exit_code": 0, "stdout": "out\nend", "stderr": "err\n"});
    let bench = bench();
    bench.done(json!({"run": "echo out; echo err >&2; printf end"}), expected).await;
    let mut log = bench.log.all();
    log.sort_by_key(|(stream, _)| stream.as_str());
    let line = |stream, text: &str| (stream, text.to_owned());
    assert_eq!(log, [line(Stream::Stderr, "err"), line(Stream::Stdout, "out"), line(Stream::Stdout, "end")]);
}

#[tokio::test]
async fn a_command_that_fails_says_how() {
    let fault = bench().fails(json!({"run": "echo a; false; echo b"}), "COMMAND_FAILED", "exit code 1: a").await;
    assert!(fault.retryable, "a policy may repeat it");
    assert_eq!(fault.details, json!({"exit_code": 1, "stdout": "a\n", "stderr": ""}));
    bench().fails(json!({"run": "echo why >&2; exit 7"}), "COMMAND_FAILED", "exit code 7: why").await;
    bench().fails(json!({"run": "kill -9 $$"}), "COMMAND_FAILED", "exit code 137").await;
    bench().fails(json!({"run": "no-such-program"}), "COMMAND_FAILED", "exit code 127").await;
    bench().fails(json!({"run": "if then"}), "COMMAND_FAILED", "exit code 2").await;
}

#[tokio::test]
async fn values_arrive_as_variables_and_never_as_shell() {
    let evil = "\"; echo hacked; $(id) `id` '";
    let bench = bench().shell(&[("FLOWFORGE_VALUE_1", evil)]);
    prints(&bench, "printf %s \"${FLOWFORGE_VALUE_1}\"", evil).await;
    let params = json!({"run": "printf '%s,%s' \"$A\" \"$N\"", "env": {"A": "it's \"$HOME\"\n", "N": 5}});
    assert_eq!(bench.output(params).await.value["stdout"], "it's \"$HOME\"\n,5");
    for (name, value) in [("A B", "x"), ("1A", "x"), ("", "x"), ("A", "x\0y"), ("A;id", "x")] {
        bench.fails(json!({"run": "true", "env": {name: value}}), "INVALID_PARAMETER", "").await;
    }
    bench.fails(json!({"run": "true", "env": {"A": "x".repeat(200_000)}}), "COMMAND_TOO_LARGE", "file").await;
}

#[tokio::test]
async fn the_machine_can_be_read_where_builds_need_it_and_changed_nowhere() {
    let bench = bench();
    prints(&bench, "command -v cc make python3 git >/dev/null && echo tools", "tools").await;
    prints(&bench, "touch /x /usr/x /etc/x /home/x 2>/dev/null || echo no", "no").await;
    prints(&bench, "touch here /tmp/t \"$HOME/h\" && echo yes", "yes").await;
    prints(&bench, "ls /root /work /var /sys 2>/dev/null | wc -l", "0").await;
    prints(&bench, "test \"$(id -u)\" -ne 0 && grep -c 'Cap.*[[:space:]]0*$' /proc/self/status", "5").await;
    prints(&bench, "grep NoNewPrivs /proc/self/status | tr -d '\\t'", "NoNewPrivs:1").await;
    prints(&bench, "whoami; hostname; ulimit -c", "flowforge\nsandbox\n0").await;
    prints(&bench, "ls /proc | grep -c '^[0-9]*$' | tr 2-6 s", "s").await;
    prints(&bench, "env | grep -c CARGO || true", "0").await;
    // The next command of the run finds what the last one left in the tree, and nothing else of it.
    prints(&bench, "ls; ls /tmp", "here").await;
}

#[tokio::test]
async fn the_network_is_there_only_when_asked_for() {
    let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = server.local_addr().unwrap().port();
    let script = format!(
        "python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port}), 2)' 2>/dev/null && echo in || echo out"
    );
    prints(&bench(), &script, "out").await;
    let output = bench().output(json!({"run": script, "network": true})).await;
    assert_eq!(output.value["stdout"], "in\n");
}

#[tokio::test]
async fn a_secret_that_is_bound_to_hosts_is_for_commands_without_a_network() {
    let bench = bench().secret_for("TOKEN", &["api.example.org"]);
    bench.fails(json!({"run": "true", "network": true}), "SECRET_HOST_DENIED", "TOKEN").await;
    prints(&bench, "echo fine", "fine").await;
}

#[tokio::test]
async fn a_variable_that_loads_a_library_does_so_only_inside() {
    // The library writes where only a process outside the sandbox could, and beside that into the tree.
    let remote = Remote::start().await;
    let bench = cloned("command", &remote).await;
    let outside = tempfile::tempdir().unwrap();
    let (mark, tree) = (outside.path().join("escaped"), tree_of(&bench));
    let code = format!(
        "#include <stdio.h>\n__attribute__((constructor)) void f(void) {{ fclose(fopen(\"{}\", \"w\") ?: fopen(\"/workspace/inside\", \"w\")); }}",
        mark.display()
    );
    bench.output(json!({"run": format!("cat >x.c <<'E'\n{code}\nE\ncc -shared -fPIC -o x.so x.c")})).await;
    let library = tree.join("x.so").display().to_string();
    let env = json!({"LD_PRELOAD": format!("/workspace/x.so:{library}")});
    bench.next("command", "load").output(json!({"run": "true", "env": env})).await;
    assert!(tree.join("inside").exists() && !mark.exists());
}

#[tokio::test]
async fn the_repository_can_be_read_and_not_written() {
    let remote = Remote::start().await;
    let bench = cloned("command", &remote).await;
    prints(&bench, "git log --format=%s; git status --short; git config user.name || echo none", "First\nnone").await;
    prints(&bench, "echo x >.git/hooks-x 2>/dev/null || echo no; git commit -qam x 2>/dev/null || echo no", "no\nno").await;
    prints(&bench, "mv .git x 2>/dev/null || echo no; rm -rf .git 2>/dev/null || echo no; git log --format=%s", "no\nno\nFirst")
        .await;
    prints(&bench, "cat a.txt link sub/b.txt", "one\none\nsub").await;
}

#[tokio::test]
async fn an_attempt_that_is_repeated_begins_where_the_first_one_began() {
    let remote = Remote::start().await;
    let bench = cloned("command", &remote).await;
    let script =
        "echo more >>a.txt; rm sub/b.txt; echo new >new.txt; mkdir -p d; echo x >d/y; echo z >ignored; rm -f link; cat a.txt; ls";
    let expected = "one\nmore\na.txt\nd\nignored\nnew.txt\nrun.sh\nsub";
    bench.fails(json!({"run": format!("{script}; exit 1")}), "COMMAND_FAILED", "").await;
    prints(&bench, script, expected).await;
    // Another step goes on from what is there.
    prints(
        &bench.next("command", "another"),
        "cat a.txt; git status --short | tr -d '\\n'",
        "one\nmore\n M a.txt D link D sub/b.txt?? d/?? new.txt",
    )
    .await;
}

#[tokio::test]
async fn what_takes_too_long_is_ended_with_everything_it_started() {
    let bench = bench();
    let start = "(setsid sh -c 'while :; do date >>beat; done' &) ; until test -s beat; do :; done; echo beats";
    let endless = json!({"run": format!("{start}; while :; do :; done"), "timeout_s": 1});
    assert!(bench.fails(endless.clone(), "COMMAND_TIMEOUT", "1 seconds").await.retryable);
    nothing_beats(&bench).await;
    // The same when the command itself ends, and when nobody wants to know any more.
    bench.output(json!({"run": start})).await;
    nothing_beats(&bench).await;
    let cancelled = bench.next("command", "cancelled");
    tokio::select! {
        ended = cancelled.run(endless) => panic!("{ended:?}"),
        () = cancelled.log.says("beats", 3) => {}
    }
    nothing_beats(&bench).await;
}

#[tokio::test]
async fn nothing_outlives_a_server_that_was_killed() {
    let folder = tempfile::tempdir().unwrap();
    let mut server = process::Command::new(std::env::current_exe().unwrap());
    server.args(["--exact", "command::tests::a_server_to_be_killed", "--ignored", "--nocapture"]).env(WORK_DIR, folder.path());
    let mut server = server.stdout(process::Stdio::piped()).spawn().unwrap();
    let lines = io::BufReader::new(server.stdout.take().unwrap()).lines().map_while(Result::ok);
    let tree = lines.filter_map(|line| line.split_once("it beats in ").map(|(_, tree)| PathBuf::from(tree))).next().unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    // The kernel ends the sandbox in its own time, which is short.
    let beat = || std::fs::metadata(tree.join("beat")).unwrap().len();
    let mut before = beat();
    let still = (0..100).any(|_| {
        let counted = process::Command::new("python3").args(["-c", "for n in range(1000000): pass"]).status().unwrap();
        assert!(counted.success());
        std::mem::replace(&mut before, beat()) == beat()
    });
    assert!(still, "what the command started goes on");
}

#[tokio::test]
#[ignore = "another test starts it in a process of its own, and kills that"]
async fn a_server_to_be_killed() {
    let bench = bench();
    let script =
        "(setsid sh -c 'while :; do date >>beat; done' &) ; until test -s beat; do :; done; echo beats; while :; do :; done";
    tokio::select! {
        ended = bench.run(json!({"run": script})) => panic!("{ended:?}"),
        () = says_where(&bench) => {}
    }
}

async fn says_where(bench: &Bench) {
    bench.log.says("beats", 1).await;
    writeln!(io::stdout(), "it beats in {}", tree_of(bench).display()).unwrap();
    std::future::pending().await
}

/// The file stays as it is while another command counts to a million.
/// Whatever was killed is gone in a moment, and stays so.
async fn nothing_beats(bench: &Bench) {
    let look = "cp beat before; python3 -c 'for n in range(1000000): pass'; cmp -s beat before";
    let script = format!(
        "touch beat; n=0; until {look}; do n=$((n+1)); test $n -lt 20 || exit 1; done; {look} && rm beat before; echo still"
    );
    let script = script.as_str();
    prints(&bench.next("command", "look"), script, "still").await;
}

#[tokio::test]
async fn a_flood_of_output_is_capped_with_a_mark() {
    let bench = bench();
    let output = bench.output(json!({"run": "echo first; head -c 30000000 /dev/zero | tr '\\0' 'x'; echo; echo last"})).await;
    let stdout = output.value["stdout"].as_str().unwrap();
    assert!(stdout.starts_with("first\n") && stdout.ends_with("last\n") && stdout.contains("bytes are left out here"));
    assert!(stdout.len() < 2 << 20);
    let log = bench.log.all();
    let logged: usize = log.iter().map(|(_, text)| text.len()).sum();
    assert!(logged < 20 << 20, "{logged}");
    assert_eq!(log.last().unwrap().0, Stream::System);
    prints(&bench, "printf 'a\\377b\\000c'", "a\u{fffd}b\0c").await;
}

#[tokio::test]
async fn a_folder_to_begin_in_lies_inside_the_tree() {
    let remote = Remote::start().await;
    let bench = cloned("command", &remote).await;
    let output = bench.output(json!({"run": "pwd; ls", "workdir": "./sub"})).await;
    assert_eq!(output.value["stdout"], "/workspace/sub\nb.txt\n");
    for workdir in ["..", "/etc", "sub/../..", "nowhere", "a.txt"] {
        bench.fails(json!({"run": "pwd", "workdir": workdir}), "INVALID_PARAMETER", "work tree").await;
    }
}

#[tokio::test]
async fn without_bubblewrap_nothing_runs_unless_the_operator_allows_it() {
    let services = allowing("");
    let node = |policy| Command { sandbox: Arc::new(Sandbox::without_bubblewrap(policy)), trees: services.trees() };
    let bench = Bench::with("command", &services);
    let params = |script: &str| serde_json::from_value::<Params>(json!({"run": script, "env": {"A": "b"}})).unwrap();
    let refused = node(SandboxPolicy::Bubblewrap).run(params("true"), &bench.cx).await.unwrap_err();
    assert_eq!((&*refused.code, refused.retryable), ("SANDBOX_UNAVAILABLE", false));
    assert!(refused.message.contains("FLOWFORGE_ALLOW_PLAIN_PROCESSES"), "{refused}");
    let started = "echo $A; (while :; do date >>beat; done) & echo $! >pid";
    let Outcome::Done(output) = node(SandboxPolicy::Plain).run(params(started), &bench.cx).await.unwrap() else {
        panic!("it completes although what it started would go on");
    };
    assert_eq!(output.value["stdout"], "b\n");
    assert!(bench.log.all()[0].1.contains("without a sandbox"));
    let gone = Value::from("gone\n");
    let looked = "grep -q '^State:.[^Z]' /proc/$(cat pid)/status 2>/dev/null || echo gone";
    let Outcome::Done(output) = node(SandboxPolicy::Plain).run(params(looked), &bench.cx).await.unwrap() else { panic!() };
    assert_eq!(output.value["stdout"], gone);
}

//! Programs, folders and sockets as whoever starts a task asked for them.

use std::{fs, io::Write, os::unix::net::UnixListener, thread};

use tokio::io::{AsyncBufReadExt, BufReader};

use super::bench::{Bench, config, exec, played};
use crate::sandbox::{Network, Sandbox, SandboxPolicy};

#[tokio::test]
async fn a_program_gets_its_arguments_as_they_are_and_all_its_input() {
    let bench = Bench::new();
    let evil = "$(id) `id` \"; id '\n*";
    let played = bench.play(&bench.task(exec(&["printf", "%s|", evil, "", "b"], ""))).await;
    assert_eq!((played.code, &*played.stdout), (0, &*format!("{evil}||b|")));
    // More than any pipe holds, in one line, there and back at once.
    let line = "x".repeat(17 << 20);
    let mut running = bench.start(&bench.task(exec(&["cat"], format!("{line}\nlast")))).await;
    let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
    assert_eq!(lines.next_line().await.unwrap().unwrap().len(), line.len());
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "last");
    assert_eq!((lines.next_line().await.unwrap(), running.wait().await.unwrap()), (None, 0));
}

#[tokio::test]
async fn a_program_need_not_read_its_input() {
    let bench = Bench::new();
    let played = bench.play(&bench.task(exec(&["sh", "-c", "echo first >&2; exit 3"], vec![b'x'; 4 << 20]))).await;
    assert_eq!((played.code, &*played.stderr), (3, "first\n"));
    assert_eq!(bench.play(&bench.task(exec(&["no-such-program"], ""))).await.code, 127);
    // And a shell has none.
    assert_eq!(bench.says("cat; echo end").await, "end");
}

#[tokio::test]
async fn variables_reach_a_program_and_lead_to_it() {
    let bench = Bench::new();
    let mut task = bench.task(exec(&["tool"], ""));
    task.env = vec![("A".to_owned(), "it's \"$HOME\"\n".to_owned()), ("PATH".to_owned(), "/opt/tool:/usr/bin".to_owned())];
    let tools = bench.beside("tools");
    fs::write(tools.join("tool"), "#!/bin/sh\nprintf '%s' \"$A\"; echo x 2>/dev/null >/opt/tool/x || echo no").unwrap();
    fs::set_permissions(tools.join("tool"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    task.read_only = vec![(tools, "/opt/tool".into())];
    assert_eq!(bench.play(&task).await.stdout, "it's \"$HOME\"\nno\n");
}

#[tokio::test]
async fn a_home_is_kept_when_there_is_one() {
    let bench = Bench::new();
    let home = bench.beside("home");
    let play = async |script: &str, kept: bool| {
        let mut task = bench.shell(script);
        task.home = kept.then_some(&*home);
        bench.play(&task).await.stdout
    };
    play("echo kept >~/note", true).await;
    assert_eq!(play("cat ~/note; echo $HOME", true).await, "kept\n/home/flowforge\n");
    assert_eq!(play("ls -A ~; echo more >~/note", false).await, "");
    assert_eq!(fs::read_to_string(home.join("note")).unwrap(), "kept\n");
}

#[tokio::test]
async fn the_socket_of_a_proxy_is_all_of_the_network() {
    let bench = Bench::new();
    let socket = bench.beside("proxy").join("here.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || {
        for it in listener.incoming() {
            it.unwrap().write_all(b"from outside").unwrap()
        }
    });
    let script = "\
import socket
s = socket.socket(socket.AF_UNIX)
s.connect('/run/flowforge/proxy.sock')
print(s.recv(99).decode())
print(socket.create_connection(('127.0.0.1', 3128)).recv(99).decode())
print(len(open('/proc/net/dev').readlines()))
try: open('/run/flowforge/x', 'w')
except OSError: print('no')
try: socket.create_connection(('1.1.1.1', 80), 2)
except OSError as e: print(e.strerror)
import sys, os
print(os.environ['HTTPS_PROXY'], sys.stdin.read())
sys.exit(7)";
    let mut task = bench.task(exec(&["python3", "-c", script], "fed"));
    task.network = Network::Proxy(&socket);
    let played = bench.play(&task).await;
    let expected = "from outside\nfrom outside\n3\nno\nNetwork is unreachable\nhttp://127.0.0.1:3128 fed\n";
    assert_eq!((played.code, &*played.stdout), (7, expected), "{}", played.stderr);
}

#[tokio::test]
async fn a_plain_process_finds_the_forwarder_at_another_port() {
    let bench = Bench::with(Sandbox::new(config(SandboxPolicy::Plain)));
    let socket = bench.beside("proxy").join("here.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    thread::spawn(move || listener.accept().unwrap().0.write_all(b"from outside"));
    let script = "import os, socket, urllib.parse\nurl = urllib.parse.urlparse(os.environ['BASE'])\n\
        print(socket.create_connection((url.hostname, url.port)).recv(99).decode(), url.path)";
    let mut task = bench.task(exec(&["python3", "-c", script], ""));
    task.env = vec![("BASE".to_owned(), "http://127.0.0.1:3128/v1".to_owned())];
    task.network = Network::Proxy(&socket);
    let played = played(bench.sandbox.start(&task, true).await.unwrap()).await;
    assert_eq!((played.code, &*played.stdout), (0, "from outside /v1\n"), "{}", played.stderr);
}

#[tokio::test]
async fn a_plain_process_is_fed_and_read_the_same_way() {
    let bench = Bench::with(Sandbox::without_bubblewrap(SandboxPolicy::Plain));
    let text = "y".repeat(3 << 20);
    let task = bench.task(exec(&["cat"], text.clone()));
    let played = played(bench.sandbox.start(&task, true).await.unwrap()).await;
    assert_eq!((played.code, played.stdout.len()), (0, text.len()));
}

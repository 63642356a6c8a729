//! The forwarder inside a sandbox: a port of its loopback that leads to the unix socket of a proxy outside.
//!
//! It starts the program itself, once it listens, and ends with it: there is no moment at which the program finds nobody.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    os::unix::{net::UnixStream, process::ExitStatusExt},
    process::{Command, ExitCode},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::PROXY_ADDRESS;

/// How many connections it holds at once; more are closed at once.
const CONNECTIONS: usize = 256;
/// A copying thread needs little room.
const STACK: usize = 128 << 10;

/// What the hidden command `sandbox-forward SOCKET PORT PROGRAM ARGUMENT…` does, without its own name: it listens on that port of
/// 127.0.0.1, runs the program, and exits as that did. Where port 0 lets the system choose, variables of the program that name
/// the usual address name the chosen one instead.
pub fn sandbox_forward_main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match forward(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(fault) => {
            eprintln!("sandbox-forward: {fault}");
            ExitCode::from(125)
        }
    }
}

fn forward(mut arguments: impl Iterator<Item = OsString>) -> io::Result<u8> {
    let usage = || io::Error::other("give a socket, a port and a program");
    let (socket, port) = arguments.next().zip(arguments.next()).ok_or_else(usage)?;
    let port: u16 = port.to_str().and_then(|port| port.parse().ok()).ok_or_else(usage)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    let mut program = Command::new(arguments.next().ok_or_else(usage)?);
    program.args(arguments);
    let address = listener.local_addr()?.to_string();
    for (name, value) in env::vars_os().filter_map(|(name, value)| Some((name, value.into_string().ok()?))) {
        if address != PROXY_ADDRESS && value.contains(PROXY_ADDRESS) {
            program.env(name, value.replace(PROXY_ADDRESS, &address));
        }
    }
    thread::Builder::new().stack_size(STACK).spawn(move || listen(&listener, &socket))?;
    let status = program.status()?;
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(125);
    Ok(u8::try_from(code).unwrap_or(125))
}

fn listen(listener: &TcpListener, socket: &OsStr) {
    let open = Arc::new(AtomicUsize::new(0));
    for inner in listener.incoming().flatten() {
        if open.load(Ordering::Relaxed) >= CONNECTIONS {
            continue;
        }
        open.fetch_add(1, Ordering::Relaxed);
        let (socket, counted) = (socket.to_owned(), open.clone());
        let thread = thread::Builder::new().stack_size(STACK).spawn(move || {
            // A connection that breaks is its two ends' affair.
            UnixStream::connect(socket).and_then(|outer| join(inner, outer)).ok();
            counted.fetch_sub(1, Ordering::Relaxed);
        });
        if thread.is_err() {
            open.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Copies both ways until both ways have ended.
fn join(inner: TcpStream, outer: UnixStream) -> io::Result<()> {
    let (mut from_inner, mut to_outer) = (inner.try_clone()?, outer.try_clone()?);
    let up = thread::Builder::new().stack_size(STACK).spawn(move || {
        io::copy(&mut from_inner, &mut to_outer).ok();
        to_outer.shutdown(Shutdown::Write).ok();
    })?;
    let (mut from_outer, mut to_inner) = (outer, inner);
    io::copy(&mut from_outer, &mut to_inner).ok();
    to_inner.shutdown(Shutdown::Both).ok();
    from_outer.shutdown(Shutdown::Both).ok();
    up.join().map_err(|_| io::Error::other("a copying thread failed"))
}

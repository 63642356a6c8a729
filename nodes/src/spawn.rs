//! Starts child processes from one thread that lives as long as this process.
//!
//! A child that asks to die with its parent (`PR_SET_PDEATHSIG`) dies with the *thread* that started it, and the threads of
//! an async runtime come and go. Starting a process also blocks for a while, which this thread may do and the runtime's may not.

use std::{
    io,
    sync::{
        OnceLock,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use tokio::{
    process::{Child, Command},
    runtime::Handle,
    sync::oneshot,
};

/// How many starts may wait for the thread; who comes later waits for a place.
const WAITING: usize = 64;

struct Start {
    command: Command,
    runtime: Handle,
    answer: oneshot::Sender<io::Result<Child>>,
}

/// Starts a process that is killed when its handle is dropped, and when this process dies.
pub(crate) async fn spawn(mut command: Command) -> io::Result<Child> {
    die_with_parent(&mut command);
    spawn_free(command).await
}

/// Starts a process that is killed when its handle is dropped, and that sees for itself to the death of this process.
pub(crate) async fn spawn_free(mut command: Command) -> io::Result<Child> {
    command.kill_on_drop(true);
    let (answer, child) = oneshot::channel();
    let start = Start { command, runtime: Handle::current(), answer };
    let sent = tokio::task::spawn_blocking(move || starter().send(start).is_ok()).await.unwrap_or(false);
    if !sent {
        return Err(io::Error::other("the thread that starts processes is gone"));
    }
    child.await.map_err(|_| io::Error::other("the thread that starts processes is gone"))?
}

fn starter() -> &'static SyncSender<Start> {
    static STARTER: OnceLock<SyncSender<Start>> = OnceLock::new();
    STARTER.get_or_init(|| {
        let (sender, receiver) = sync_channel::<Start>(WAITING);
        // When the thread cannot be made, the receiver is dropped and every start reports it.
        let thread = thread::Builder::new().name("process-starter".to_owned());
        thread.spawn(move || receiver.into_iter().for_each(start)).ok();
        sender
    })
}

fn start(Start { mut command, runtime, answer }: Start) {
    let _runtime = runtime.enter();
    // Nobody waits any more: dropping the child kills it.
    answer.send(command.spawn()).ok();
}

/// Makes the kernel kill the child when this process is gone, however it went.
#[expect(unsafe_code, reason = "the call must be made between fork and exec")]
fn die_with_parent(command: &mut Command) {
    let parent = std::process::id();
    // SAFETY: prctl and getppid are async-signal-safe and touch no memory.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            if libc::getppid().unsigned_abs() == parent { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
        });
    }
}

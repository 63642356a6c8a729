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
    answer: oneshot::Sender<io::Result<Started>>,
}

/// A process and the group that it leads. Whoever loses it on the way, the starting thread included, ends both.
#[derive(Debug)]
pub(crate) struct Started {
    pub(crate) child: Child,
    pub(crate) group: Group,
}

/// A process group that is ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Group(Option<u32>);

impl Group {
    /// Leaves the group alone from now on: nobody is in it any more, and its number may become somebody else's.
    pub(crate) fn forget(&mut self) {
        self.0 = None;
    }

    /// Ends whoever is in the group.
    #[expect(unsafe_code, reason = "signals to a group have no safe wrapper")]
    pub(crate) fn end(&mut self) {
        if let Some(group) = self.0.take().and_then(|group| i32::try_from(group).ok()) {
            // SAFETY: the call touches no memory. The group's number stays taken while any process of it lives.
            unsafe { libc::kill(-group, libc::SIGKILL) };
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts a process that is killed when its handle is dropped, and when this process dies.
pub(crate) async fn spawn(mut command: Command) -> io::Result<Child> {
    die_with_parent(&mut command);
    let Started { child, mut group } = spawn_group(command).await?;
    group.forget();
    Ok(child)
}

/// Starts a process in a group of its own that is killed when its handle is dropped. It sees for itself to the death of this process.
pub(crate) async fn spawn_group(mut command: Command) -> io::Result<Started> {
    command.kill_on_drop(true).process_group(0);
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
    let started = command.spawn().map(|child| Started { group: Group(child.id()), child });
    // Where nobody waits any more it is dropped, which ends it.
    answer.send(started).ok();
}

/// Makes the kernel kill the child when this process is gone, however it went.
#[expect(unsafe_code, reason = "the call must be made between fork and exec")]
pub(crate) fn die_with_parent(command: &mut Command) {
    let parent = std::process::id();
    // SAFETY: prctl and getppid are async-signal-safe and touch no memory.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
            if libc::getppid().unsigned_abs() == parent { Ok(()) } else { Err(io::Error::from_raw_os_error(libc::ESRCH)) }
        });
    }
}

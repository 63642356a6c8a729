//! A TCP proxy between one process and one of its servers, which can stall, slow down and cut.

mod wire;

use std::{
    collections::VecDeque,
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use flowforge_tests::Seed;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinHandle,
};

use self::wire::Frontend;

/// Which server a process talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Postgres,
    Redis,
}

/// Where a write to PostgreSQL is cut. The committer sends one autocommitted statement, so this is a cut at COMMIT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The statement is never forwarded.
    Before,
    /// The statement is forwarded, and nobody waits for the answer.
    During,
    /// The server has answered, and the answer is lost.
    After,
}

impl Cut {
    pub(crate) fn pick(seed: &mut Seed) -> Self {
        match seed.pick(0..3) {
            0 => Self::Before,
            1 => Self::During,
            _ => Self::After,
        }
    }
}

/// How bytes pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Pass,
    Hold,
    Slow(Duration),
}

/// One proxy. Dropping it closes it.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    link: Link,
    upstream: SocketAddr,
    mode: watch::Sender<Mode>,
    /// Counts the times that every connection was broken.
    broken: watch::Sender<u64>,
    armed: Mutex<VecDeque<Cut>>,
    cuts: AtomicU64,
}

impl Proxy {
    /// Listens on a free port for connections to `upstream`.
    pub(crate) async fn start(link: Link, upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        let (mode, broken) = (watch::channel(Mode::Pass).0, watch::channel(0).0);
        let shared = Shared { link, upstream, mode, broken, armed: Mutex::default(), cuts: AtomicU64::new(0) };
        let shared = Arc::new(shared);
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Self { port, shared, task }
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the connection that writes next.
    pub(crate) fn arm(&self, cut: Cut) {
        self.shared.armed.lock().expect("not poisoned").push_back(cut);
    }

    /// How often a write was cut.
    pub(crate) fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::Relaxed)
    }

    /// Breaks every connection.
    pub(crate) fn break_all(&self) {
        self.shared.broken.send_modify(|count| *count += 1);
    }

    /// Holds everything back until [`Self::pass`].
    pub(crate) fn hold(&self) {
        self.shared.mode.send_replace(Mode::Hold);
    }

    /// Lets everything through late.
    pub(crate) fn slow(&self, delay: Duration) {
        self.shared.mode.send_replace(Mode::Slow(delay));
    }

    /// Lets everything through again.
    pub(crate) fn pass(&self) {
        self.shared.mode.send_replace(Mode::Pass);
    }

    /// Passes from now on, cuts nothing more.
    pub(crate) fn heal(&self) {
        self.shared.armed.lock().expect("not poisoned").clear();
        self.pass();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.break_all();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        if let Ok((client, _)) = listener.accept().await {
            tokio::spawn(carry(client, Arc::clone(&shared)));
        }
    }
}

/// Carries one connection until either side closes it or it is cut.
async fn carry(client: TcpStream, shared: Arc<Shared>) {
    let mut broken = shared.broken.subscribe();
    broken.mark_unchanged();
    let connection = async {
        passable(&shared).await;
        // A server that is down refuses, and so do we, by closing.
        let Ok(server) = TcpStream::connect(shared.upstream).await else { return };
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        let lose_answer = AtomicBool::new(false);
        tokio::select! {
            _ = up(from_client, to_server, &shared, &lose_answer) => {}
            _ = down(from_server, to_client, &shared, &lose_answer) => {}
        }
    };
    tokio::select! {
        () = connection => {}
        _ = broken.changed() => {}
    }
}

async fn up(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared, lose_answer: &AtomicBool) -> io::Result<()> {
    let mut frontend = Frontend::default();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        let writes = shared.link == Link::Postgres && frontend.writes(&buffer[..count]);
        let cut = if writes { shared.armed.lock().expect("not poisoned").pop_front() } else { None };
        passable(shared).await;
        match cut {
            Some(Cut::Before) => return shared.cut(),
            Some(Cut::During) => {
                to.write_all(&buffer[..count]).await?;
                return shared.cut();
            }
            Some(Cut::After) => lose_answer.store(true, Ordering::SeqCst),
            None => {}
        }
        to.write_all(&buffer[..count]).await?;
    }
}

async fn down(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared, lose_answer: &AtomicBool) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        if lose_answer.load(Ordering::SeqCst) {
            return shared.cut();
        }
        passable(shared).await;
        to.write_all(&buffer[..count]).await?;
    }
}

impl Shared {
    fn cut(&self) -> io::Result<()> {
        self.cuts.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

/// Returns when the mode lets the next bytes through.
async fn passable(shared: &Shared) {
    let mut mode = shared.mode.subscribe();
    let now = *mode.borrow_and_update();
    match now {
        Mode::Pass => {}
        Mode::Slow(delay) => tokio::time::sleep(delay).await,
        Mode::Hold => {
            // An error says that the proxy is gone; then its connections are broken anyway.
            let _ = mode.wait_for(|mode| *mode != Mode::Hold).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that answers each chunk with itself.
    async fn echo() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let mut buffer = [0; 1024];
                    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                        stream.write_all(&buffer[..count]).await.ok();
                    }
                });
            }
        });
        address
    }

    async fn say(stream: &mut TcpStream, text: &[u8]) -> Option<Vec<u8>> {
        stream.write_all(text).await.ok()?;
        let mut answer = vec![0; 1024];
        let count = tokio::time::timeout(Duration::from_millis(300), stream.read(&mut answer)).await.ok()?.ok()?;
        answer.truncate(count);
        Some(answer)
    }

    #[tokio::test]
    async fn it_passes_holds_and_breaks() {
        let proxy = Proxy::start(Link::Redis, echo().await).await;
        let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).await.expect("a connection");
        assert_eq!(say(&mut client, b"one").await.as_deref(), Some(&b"one"[..]));
        proxy.hold();
        assert_eq!(say(&mut client, b"two").await, None);
        proxy.pass();
        let mut held = [0; 3];
        client.read_exact(&mut held).await.expect("what was held");
        assert_eq!(&held, b"two");
        proxy.break_all();
        assert!(say(&mut client, b"three").await.is_none_or(|answer| answer.is_empty()));
    }

    #[tokio::test]
    async fn it_cuts_a_write_and_nothing_else() {
        let startup = wire::startup();
        for cut in [Cut::Before, Cut::During, Cut::After] {
            let proxy = Proxy::start(Link::Postgres, echo().await).await;
            let mut client = TcpStream::connect(("127.0.0.1", proxy.port())).await.expect("a connection");
            proxy.arm(cut);
            assert!(say(&mut client, &startup).await.is_some_and(|answer| !answer.is_empty()));
            assert!(say(&mut client, &wire::simple("select 1 from runs")).await.is_some_and(|answer| !answer.is_empty()));
            assert!(say(&mut client, &wire::simple("update runs set epoch = 1")).await.is_none_or(|answer| answer.is_empty()));
            assert_eq!(proxy.cuts(), 1, "{cut:?}");
        }
    }
}

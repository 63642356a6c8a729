//! A connection that ends when more comes in than was asked for: one row may be a gigabyte, and a server may be unkind.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// Counts what comes in.
#[derive(Debug, Clone)]
pub(super) struct Meter(Arc<Count>);

#[derive(Debug)]
struct Count {
    left: AtomicU64,
    is_over: AtomicBool,
}

impl Meter {
    /// So many bytes may come in.
    pub(super) fn of(bytes: u64) -> Self {
        Self(Arc::new(Count { left: AtomicU64::new(bytes), is_over: AtomicBool::new(false) }))
    }

    /// Whether more came.
    pub(super) fn is_over(&self) -> bool {
        self.0.is_over.load(Ordering::Relaxed)
    }

    fn count(&self, bytes: usize) -> io::Result<()> {
        // Only the one task that reads takes away.
        match self.0.left.load(Ordering::Relaxed).checked_sub(bytes as u64) {
            Some(left) => {
                self.0.left.store(left, Ordering::Relaxed);
                Ok(())
            }
            None => {
                self.0.is_over.store(true, Ordering::Relaxed);
                Err(io::Error::other("the server sent more than is allowed"))
            }
        }
    }
}

/// A stream with a meter.
#[derive(Debug)]
pub(super) struct Metered {
    pub(super) stream: TcpStream,
    pub(super) meter: Meter,
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        Poll::Ready(self.meter.count(buf.filled().len() - before))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

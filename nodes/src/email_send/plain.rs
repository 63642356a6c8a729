//! A connection before TLS has begun, which holds the server to answering.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use lettre::transport::smtp::client::AsyncTokioStream;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};

/// The first byte of everything that TLS sends before it is agreed upon; no SMTP command begins with it.
const TLS_HANDSHAKE: u8 = 0x16;

/// A TCP connection that breaks when a server goes on after it has answered.
///
/// The client reads ahead. What somebody on the way puts behind the answer to `STARTTLS`, in the clear, would otherwise be taken
/// for what the server says inside TLS.
#[derive(Debug)]
pub(super) struct Plain {
    tcp: TcpStream,
    /// None once TLS has begun.
    answer: Option<Answer>,
}

impl Plain {
    pub(super) fn new(tcp: TcpStream) -> Self {
        Self { tcp, answer: Some(Answer::default()) }
    }
}

/// How far an answer has come: lines `250-…`, and a last one `250 …`.
#[derive(Debug, Default)]
struct Answer {
    /// The place in the line.
    at: usize,
    is_last_line: bool,
    is_over: bool,
}

impl Answer {
    fn hear(&mut self, bytes: &[u8]) -> io::Result<()> {
        for byte in bytes {
            if self.is_over {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "the server said more than it was asked for before TLS began",
                ));
            }
            match (byte, self.at) {
                (b'\n', _) => (self.at, self.is_over) = (0, self.is_last_line),
                (sign, 3) => (self.at, self.is_last_line) = (4, *sign != b'-'),
                _ => self.at += 1,
            }
        }
        Ok(())
    }
}

impl AsyncTokioStream for Plain {
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.peer_addr()
    }
}

impl AsyncRead for Plain {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.tcp).poll_read(cx, buffer))?;
        let heard = buffer.filled().get(before..).unwrap_or_default();
        Poll::Ready(self.answer.as_mut().map_or(Ok(()), |answer| answer.hear(heard)))
    }
}

impl AsyncWrite for Plain {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.answer.is_some() {
            let begins_tls = bytes.first() == Some(&TLS_HANDSHAKE);
            self.answer = (!begins_tls).then(Answer::default);
        }
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

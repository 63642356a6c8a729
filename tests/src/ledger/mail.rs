//! The ledger as a mail server: every message that it takes is an effect.

use std::io;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::{Book, Ledger};

/// Takes messages until the ledger is gone.
pub(super) async fn listen(listener: TcpListener, book: Arc<Book>) {
    while let Ok((stream, _)) = listener.accept().await {
        // A client that is killed in the middle breaks its conversation, and nothing else.
        tokio::spawn(hold(stream, Arc::clone(&book)));
    }
}

/// One conversation, in the clear.
async fn hold(stream: TcpStream, book: Arc<Book>) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut login = None;
    stream.write_all(b"220 ledger ESMTP\r\n").await?;
    while let Some(line) = line(&mut stream).await? {
        let answer = match line.get(..4).map(str::to_ascii_uppercase).as_deref() {
            Some("EHLO") => "250-ledger\r\n250 AUTH PLAIN",
            Some("AUTH") => {
                login = Some(decoded(line.trim_start_matches("AUTH PLAIN ")));
                let expected = format!("\0{}\0{}", Ledger::MAIL_USER, Ledger::MAIL_PASSWORD);
                if login.as_ref() == Some(&expected) { "235 2.7.0 welcome" } else { "535 5.7.8 who?" }
            }
            Some("MAIL") if login.is_none() => "530 5.7.0 sign in first",
            Some("MAIL" | "RCPT") => "250 2.1.0 ok",
            Some("DATA") => {
                stream.write_all(b"354 go on\r\n").await?;
                let Some((subject, message_id)) = message(&mut stream).await? else { return Ok(()) };
                book.write(subject, Some(message_id), None);
                "250 2.0.0 queued"
            }
            Some("QUIT") => "221 2.0.0 bye",
            _ => "500 5.5.1 what?",
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
    }
    Ok(())
}

/// Subject and `Message-ID` of a message; none when the client went away in the middle of it.
async fn message(stream: &mut BufReader<TcpStream>) -> io::Result<Option<(String, String)>> {
    let (mut subject, mut id) = (None, None);
    while let Some(line) = line(stream).await? {
        if line == "." {
            return Ok(Some((subject.unwrap_or_default(), id.unwrap_or_default())));
        }
        let value = |name: &str| line.strip_prefix(name).map(str::to_owned);
        subject = subject.or_else(|| value("Subject: "));
        id = id.or_else(|| value("Message-ID: "));
    }
    Ok(None)
}

async fn line(stream: &mut BufReader<TcpStream>) -> io::Result<Option<String>> {
    let mut line = String::new();
    let read = stream.read_line(&mut line).await?;
    Ok((read > 0).then(|| line.trim_end_matches(['\r', '\n']).to_owned()))
}

fn decoded(text: &str) -> String {
    String::from_utf8(BASE64_STANDARD.decode(text).unwrap_or_default()).unwrap_or_default()
}

//! A mail server on a free port of this machine: SMTP with STARTTLS, TLS from the first byte and sign-in, under a certificate of
//! its own. It is strict about what it is sent, and a test may put words into its mouth.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine, prelude::BASE64_STANDARD};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_rustls::TlsAcceptor;

/// Who may sign in.
pub(crate) const USER: &str = "ada@example.org";
pub(crate) const PASSWORD: &str = "p4ssw0rd-of-ada";
/// The longest line that SMTP allows, its end included.
const LONGEST_LINE: usize = 1_000;

/// A message that was taken.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) is_encrypted: bool,
    pub(crate) login: Option<String>,
    /// What stood behind `MAIL FROM:`, options included.
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) data: Vec<u8>,
}

type Answer = dyn Fn(&str) -> Option<&'static str> + Send + Sync;

/// How the server behaves.
pub(crate) struct Setup {
    /// Whom the certificate is for.
    pub(crate) name: &'static str,
    /// Whether TLS begins at once.
    pub(crate) is_tls: bool,
    /// What is offered beside the usual, a line each.
    pub(crate) offers: &'static [&'static str],
    /// What is put behind the answer to STARTTLS, before TLS.
    pub(crate) injects: &'static str,
    /// Overrules the answer to a line; `hang` never answers, `close` breaks the connection. A new connection is the line `connect`,
    /// a whole message the line `.`.
    pub(crate) answer: Box<Answer>,
}

impl Default for Setup {
    fn default() -> Self {
        let offers: &[&str] = &["STARTTLS", "AUTH PLAIN LOGIN"];
        Self { name: "localhost", is_tls: false, offers, injects: "", answer: Box::new(|_| None) }
    }
}

struct Shared {
    setup: Setup,
    acceptor: TlsAcceptor,
    received: Mutex<Vec<Received>>,
    faults: Mutex<Vec<String>>,
    connections: AtomicUsize,
}

/// The server; it stops when it is dropped.
pub(crate) struct Smtp {
    pub(crate) address: SocketAddr,
    /// The authority that the server's certificate is from, in PEM.
    pub(crate) authority: String,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Smtp {
    pub(crate) async fn start(setup: Setup) -> Self {
        let (acceptor, authority) = certificate(setup.name);
        let shared = Arc::new(Shared {
            setup,
            acceptor,
            received: Mutex::default(),
            faults: Mutex::default(),
            connections: AtomicUsize::new(0),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(listen(listener, shared.clone()));
        Self { address, authority, shared, task }
    }

    /// A server that answers some lines as the test says.
    pub(crate) async fn answering(answer: impl Fn(&str) -> Option<&'static str> + Send + Sync + 'static) -> Self {
        Self::start(Setup { answer: Box::new(answer), ..Setup::default() }).await
    }

    /// What it took, all of it sent as it should be.
    pub(crate) fn received(&self) -> Vec<Received> {
        assert_eq!(*self.shared.faults.lock().unwrap(), Vec::<String>::new(), "the client keeps to SMTP");
        self.shared.received.lock().unwrap().clone()
    }

    pub(crate) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Smtp {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn certificate(name: &str) -> (TlsAcceptor, String) {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    (TlsAcceptor::from(Arc::new(config)), authority.pem())
}

async fn listen(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let shared = shared.clone();
        // A client that goes away in the middle is what many tests are about.
        tokio::spawn(async move { drop(Talk::hold(tcp, shared).await) });
    }
}

trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// One conversation.
struct Talk {
    shared: Arc<Shared>,
    stream: BufReader<Box<dyn Duplex>>,
    is_encrypted: bool,
    login: Option<String>,
    from: Option<String>,
    to: Vec<String>,
}

impl Talk {
    async fn hold(tcp: TcpStream, shared: Arc<Shared>) -> io::Result<()> {
        let is_tls = shared.setup.is_tls;
        let stream: Box<dyn Duplex> = if is_tls { Box::new(shared.acceptor.accept(tcp).await?) } else { Box::new(tcp) };
        let stream = BufReader::new(stream);
        let mut talk = Self { shared, stream, is_encrypted: is_tls, login: None, from: None, to: Vec::new() };
        talk.say("connect", "220 mail.test ESMTP").await?;
        while let Some(line) = talk.line().await? {
            match line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "STARTTLS" => talk = talk.encrypt(&line).await?,
                "DATA" => talk.data(&line).await?,
                "AUTH" => talk.sign_in(&line).await?,
                "QUIT" => return talk.say(&line, "221 2.0.0 bye").await,
                _ => {
                    let answer = talk.answer(&line);
                    talk.say(&line, &answer).await?;
                }
            }
        }
        Ok(())
    }

    /// A line without its end, none at the end of the connection.
    async fn line(&mut self) -> io::Result<Option<String>> {
        let mut line = Vec::new();
        if self.stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        self.check(&line);
        Ok(Some(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned()))
    }

    fn check(&self, line: &[u8]) {
        let ends = line.ends_with(b"\r\n") && !line[..line.len() - 2].contains(&b'\r');
        if !ends || line.len() > LONGEST_LINE || line.contains(&0) {
            let shown = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
            self.shared.faults.lock().unwrap().push(format!("a line of {} bytes: {shown:?}", line.len()));
        }
    }

    async fn say(&mut self, line: &str, usual: &str) -> io::Result<()> {
        let answer = (self.shared.setup.answer)(line).unwrap_or(usual).to_owned();
        match answer.as_str() {
            "hang" => std::future::pending().await,
            "close" => return Err(io::ErrorKind::ConnectionAborted.into()),
            _ => {}
        }
        self.stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        self.stream.flush().await?;
        if answer.starts_with("421") { Err(io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }

    /// What is usually said to a command that needs no more than an answer.
    fn answer(&mut self, line: &str) -> String {
        let upper = line.to_ascii_uppercase();
        if upper.starts_with("EHLO") {
            let offers = self.shared.setup.offers.iter().filter(|offer| {
                if **offer == "STARTTLS" {
                    !self.is_encrypted
                } else {
                    self.is_encrypted || !self.shared.setup.offers.contains(&"STARTTLS")
                }
            });
            return offers.fold("250-mail.test".to_owned(), |all, offer| format!("{all}\r\n250-{offer}"))
                + "\r\n250 SIZE 99999999";
        }
        let refused = |line: &str| (self.shared.setup.answer)(line).is_some_and(|answer| !answer.starts_with('2'));
        match (upper.as_str(), &self.from) {
            (mail, None) if mail.starts_with("MAIL FROM:<") => self.from = Some(line["MAIL FROM:".len()..].to_owned()),
            (rcpt, Some(_)) if rcpt.starts_with("RCPT TO:<") && refused(line) => {}
            (rcpt, Some(_)) if rcpt.starts_with("RCPT TO:<") => self.to.push(line["RCPT TO:".len()..].to_owned()),
            _ => return format!("503 5.5.1 what is {line}?"),
        }
        "250 2.1.0 ok".to_owned()
    }

    async fn encrypt(mut self, line: &str) -> io::Result<Self> {
        self.say(line, &format!("220 2.0.0 go ahead{}", self.shared.setup.injects)).await?;
        if !self.stream.buffer().is_empty() {
            self.shared.faults.lock().unwrap().push("the client does not wait for the answer to STARTTLS".into());
        }
        let tls = self.shared.acceptor.accept(self.stream.into_inner()).await?;
        Ok(Self { stream: BufReader::new(Box::new(tls)), is_encrypted: true, from: None, to: Vec::new(), ..self })
    }

    async fn sign_in(&mut self, line: &str) -> io::Result<()> {
        let mut words = line.split(' ').skip(1);
        let said = match (words.next(), words.next()) {
            (Some("PLAIN"), Some(encoded)) => decoded(encoded).trim_start_matches('\0').replacen('\0', ":", 1),
            (Some("LOGIN"), None) => {
                self.say("login", "334 VXNlcm5hbWU6").await?;
                let user = self.line().await?.unwrap_or_default();
                self.say("login", "334 UGFzc3dvcmQ6").await?;
                let password = self.line().await?.unwrap_or_default();
                format!("{}:{}", decoded(&user), decoded(&password))
            }
            _ => return self.say(line, "504 5.5.4 not like that").await,
        };
        let answer = if said == format!("{USER}:{PASSWORD}") { "235 2.7.0 welcome" } else { "535 5.7.8 wrong user or password" };
        self.login = Some(said);
        self.say(line, answer).await
    }

    async fn data(&mut self, line: &str) -> io::Result<()> {
        if self.to.is_empty() {
            return self.say(line, "503 5.5.1 for nobody?").await;
        }
        self.say(line, "354 go on").await?;
        let mut data = Vec::new();
        loop {
            let mut line = Vec::new();
            if self.stream.read_until(b'\n', &mut line).await? == 0 {
                return Ok(());
            }
            self.check(&line);
            match line.strip_prefix(b".") {
                Some(b"\r\n") => break,
                Some(stuffed) => data.extend_from_slice(stuffed),
                None => data.extend_from_slice(&line),
            }
        }
        let (from, to) = (self.from.take().unwrap_or_default(), std::mem::take(&mut self.to));
        let received = Received { is_encrypted: self.is_encrypted, login: self.login.clone(), from, to, data };
        if (self.shared.setup.answer)(".").is_none_or(|answer| !answer.starts_with(['4', '5'])) {
            self.shared.received.lock().unwrap().push(received);
        }
        self.say(".", "250 2.0.0 queued as 4711").await
    }
}

fn decoded(text: &str) -> String {
    String::from_utf8(BASE64_STANDARD.decode(text).unwrap_or_default()).unwrap_or_default()
}

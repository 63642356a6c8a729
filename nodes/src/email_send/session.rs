//! One conversation with a mail server, from the first word to the last.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use flowforge_core::node::NodeError;
use lettre::{
    Address,
    transport::smtp::{
        authentication::{Credentials, DEFAULT_MECHANISMS},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        commands::{Data, Mail as MailFrom, Rcpt},
        extension::{ClientId, Extension, MailBodyParameter, MailParameter},
    },
};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    Security, Server,
    faults::{Reply, explain, shown},
    message::Mail,
    one_line,
    plain::Plain,
};
use crate::{
    egress::Egress,
    params::{Problems, Text, invalid, is_template, known},
};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(15);
/// How long to wait for a last word that changes nothing.
const PARTING: Duration = Duration::from_secs(2);

/// What is said of a user without a password.
const NO_PASSWORD: &str = "`server.password` is required beside `server.user`";
/// What is said of a password without a user.
const NO_USER: &str = "`server.user` is required beside `server.password`";

/// A server, and how to speak to it.
pub(super) struct Session {
    host: String,
    port: u16,
    security: Security,
    /// None when TLS never begins.
    tls: Option<TlsParameters>,
    login: Option<Login>,
}

struct Login {
    user: String,
    password: String,
}

/// What the server says to each recipient.
struct Recipients<'m> {
    accepted: Vec<&'m Address>,
    rejected: Vec<(&'m Address, Reply)>,
}

impl Session {
    /// Checks what is known of a server. Reads the system's certificates, which takes some time.
    pub(super) fn prepare(server: &Server) -> Result<Self, NodeError> {
        let host = host_of(&server.host)?;
        let security = server.security;
        let usual = match security {
            Security::Starttls => 587,
            Security::Tls => 465,
            Security::None => 25,
        };
        let tls = match security {
            Security::None => None,
            Security::Starttls | Security::Tls => Some(tls(&host, server.ca_certificate.as_ref())?),
        };
        let login = login(server.user.as_ref(), server.password.as_ref())?;
        Ok(Self { host, port: server.port.unwrap_or(usual), security, tls, login })
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn shown(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// Hands over a message.
    pub(super) async fn deliver(&self, egress: &Egress, mail: &Mail, all_or_none: bool) -> Result<Value, NodeError> {
        let mut server = self.open(egress).await?;
        self.sign_in(&mut server).await?;
        let Recipients { accepted, rejected } = self.address(&mut server, mail).await?;
        if accepted.is_empty() || (all_or_none && !rejected.is_empty()) {
            leave(server).await;
            return Err(self.nobody(&rejected));
        }
        let go_on = self.answered(server.command(Data).await, "the message")?;
        if !go_on.has_code(354) {
            let message = format!("{} answered {} to DATA, which is no answer to it", self.shown(), go_on.code());
            return Err(NodeError::retry("NETWORK_ERROR", message));
        }
        let taken = self.answered(server.message(&mail.bytes).await, "the message")?;
        leave(server).await;
        let response = taken.message().collect::<Vec<_>>().join(" ");
        Ok(json!({
            "message_id": mail.message_id,
            "accepted": accepted.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "rejected": rejected.iter().map(told).collect::<Vec<_>>(),
            "response": shown(&format!("{} {response}", taken.code())),
        }))
    }

    /// Connects, and begins TLS before anything is told.
    async fn open(&self, egress: &Egress) -> Result<AsyncSmtpConnection, NodeError> {
        let (hello, what) = (ClientId::default(), "the connection");
        match (self.security, &self.tls) {
            (Security::Tls, Some(tls)) => {
                let addresses = egress.addresses(&self.host, self.port).await?;
                let share = CONNECT / u32::try_from(addresses.len()).unwrap_or(u32::MAX);
                let dialled = AsyncSmtpConnection::connect_tokio1(&addresses[..], Some(share), &hello, Some(tls.clone()), None);
                self.answered(dialled.await, what)
            }
            (_, tls) => {
                let tcp = egress.connect(&self.host, self.port, CONNECT).await?;
                let is_trusted = tcp.peer_addr().is_ok_and(|peer| egress.trusts(peer));
                if tls.is_none() && !is_trusted {
                    return Err(self.in_the_clear());
                }
                let dialled = AsyncSmtpConnection::connect_with_transport(Box::new(Plain::new(tcp)), &hello);
                let mut server = self.answered(dialled.await, what)?;
                if let Some(tls) = tls {
                    self.encrypt(&mut server, tls, &hello).await?;
                }
                Ok(server)
            }
        }
    }

    async fn encrypt(&self, server: &mut AsyncSmtpConnection, tls: &TlsParameters, hello: &ClientId) -> Result<(), NodeError> {
        if !server.can_starttls() {
            let message = format!("{} does not offer STARTTLS, and nothing is sent in the clear", self.shown());
            return Err(NodeError::fatal("TLS_FAILED", message));
        }
        self.answered(server.starttls(tls.clone(), hello).await, "STARTTLS")
    }

    fn in_the_clear(&self) -> NodeError {
        let message = format!(
            "without TLS everybody on the way to {} reads the message and the password; use `starttls` or `tls`, or let the operator \
             name its network in FLOWFORGE_EGRESS_ALLOW",
            self.shown()
        );
        NodeError::fatal("EGRESS_DENIED", message)
    }

    async fn sign_in(&self, server: &mut AsyncSmtpConnection) -> Result<(), NodeError> {
        let Some(Login { user, password }) = &self.login else { return Ok(()) };
        let what = format!("signing in to {} as `{user}`", self.shown());
        if server.server_info().get_auth_mechanism(DEFAULT_MECHANISMS).is_none() {
            let message = format!("{what} failed: the server takes no password (it offers neither PLAIN nor LOGIN)");
            return Err(NodeError::fatal("SMTP_AUTH_FAILED", message));
        }
        let credentials = Credentials::new(user.clone(), password.clone());
        match server.auth(DEFAULT_MECHANISMS, &credentials).await {
            Ok(_) => Ok(()),
            Err(fault) => Err(Reply::of(&fault).map_or_else(
                || explain(&what, &fault),
                |reply| reply.without(&spoken(user, password)).into_error("SMTP_AUTH_FAILED", &what),
            )),
        }
    }

    /// Tells whom the message is from and for.
    async fn address<'m>(&self, server: &mut AsyncSmtpConnection, mail: &'m Mail) -> Result<Recipients<'m>, NodeError> {
        let options = options(server, mail)?;
        let from = MailFrom::new(Some(mail.from.clone()), options);
        self.answered(server.command(from).await, &format!("the sender {}", mail.from))?;
        let (mut accepted, mut rejected) = (Vec::new(), Vec::new());
        for one in &mail.recipients {
            let answer = server.command(Rcpt::new(one.clone(), Vec::new())).await;
            match answer.as_ref().err().map(|fault| (fault, Reply::of(fault))) {
                None => accepted.push(one),
                Some((_, Some(reply))) if !reply.is_farewell() => rejected.push((one, reply)),
                Some((fault, _)) => return Err(self.explained(&format!("the recipient {one}"), fault)),
            }
        }
        Ok(Recipients { accepted, rejected })
    }

    /// The error of a message that is sent to nobody. Nobody has it, so another attempt is harmless.
    fn nobody(&self, rejected: &[(&Address, Reply)]) -> NodeError {
        let one = |(address, reply): &(&Address, Reply)| format!("{address} ({} {})", reply.code, reply.text);
        let named = rejected.iter().take(3).map(one).collect::<Vec<_>>().join(", ");
        let more = if rejected.len() > 3 { format!(" and {} more", rejected.len() - 3) } else { String::new() };
        let message = format!("{} refused {named}{more}; nothing was sent", self.shown());
        let is_passing = rejected.iter().any(|(_, reply)| reply.is_passing());
        let fault =
            if is_passing { NodeError::retry("SMTP_REJECTED", message) } else { NodeError::fatal("SMTP_REJECTED", message) };
        let code = rejected.first().map(|(_, reply)| reply.code);
        fault.with_details(json!({"reply_code": code, "rejected": rejected.iter().map(told).collect::<Vec<_>>()}))
    }

    /// What came of something that this server was asked for.
    fn answered<T>(&self, result: Result<T, lettre::transport::smtp::Error>, what: &str) -> Result<T, NodeError> {
        result.map_err(|fault| self.explained(what, &fault))
    }

    fn explained(&self, what: &str, fault: &lettre::transport::smtp::Error) -> NodeError {
        explain(&format!("{}: {what}", self.shown()), fault)
    }
}

fn told((address, reply): &(&Address, Reply)) -> Value {
    let mut told = reply.to_json();
    told["address"] = address.to_string().into();
    told
}

/// Says goodbye. The message has been answered for already, so that how the parting goes changes nothing.
async fn leave(mut server: AsyncSmtpConnection) {
    timeout(PARTING, server.quit()).await.ok();
}

/// What the server has to know of signs that are not ASCII.
fn options(server: &AsyncSmtpConnection, mail: &Mail) -> Result<Vec<MailParameter>, NodeError> {
    let offers = |extension| server.server_info().supports_feature(extension);
    let mut options = Vec::new();
    let everybody = std::iter::once(&mail.from).chain(&mail.recipients);
    if let Some(address) = everybody.into_iter().find(|address| !AsRef::<str>::as_ref(address).is_ascii()) {
        if !offers(Extension::SmtpUtfEight) {
            let message = format!("the server takes no address like {address}: only ASCII before the `@`");
            return Err(NodeError::fatal("SMTP_REJECTED", message));
        }
        options.push(MailParameter::SmtpUtfEight);
    }
    if !mail.bytes.is_ascii() {
        if !offers(Extension::EightBitMime) {
            return Err(NodeError::fatal("SMTP_REJECTED", "the server takes only ASCII, and an address of this message is not"));
        }
        options.push(MailParameter::Body(MailBodyParameter::EightBitMime));
    }
    Ok(options)
}

/// A host as it is looked up, compared and verified: an address, or a name in ASCII.
/// Notes what can be said of a server before any template is resolved.
pub(super) fn check(server: &Server, problems: &mut Problems) {
    if let Some(host) = known(Some(&server.host)) {
        problems.note("server.host", host_of(host));
    }
    let is_known = [&server.user, &server.password].into_iter().flatten().all(|text| !is_template(text));
    match (&server.user, &server.password) {
        (Some(_), None) => problems.missing("server.password", NO_PASSWORD),
        (None, Some(_)) => problems.missing("server.user", NO_USER),
        (Some(user), Some(password)) if is_known => problems.note("server.user", login(Some(user), Some(password))),
        _ => {}
    }
    if let Some(pem) = known(server.ca_certificate.as_ref()) {
        problems.note("server.ca_certificate", authority(pem));
    }
}

fn host_of(text: &str) -> Result<String, NodeError> {
    let host = one_line("server.host", text.trim(), 255)?.trim_matches(['[', ']']);
    if host.parse::<std::net::IpAddr>().is_ok() {
        return Ok(host.to_owned());
    }
    let ascii = idna::domain_to_ascii(host).ok();
    let is_name = |name: &String| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
    let ascii = ascii.filter(|name| !name.is_empty() && is_name(name));
    ascii.ok_or_else(|| invalid(format!("`server.host` is no name of a server: `{host}`; write it like smtp.example.org")))
}

fn tls(host: &str, authority: Option<&Text>) -> Result<TlsParameters, NodeError> {
    let mut tls = TlsParameters::builder(host.to_owned());
    if let Some(pem) = authority {
        tls = tls.add_root_certificate(self::authority(pem)?);
    }
    tls.build().map_err(|fault| NodeError::fatal("TLS_FAILED", format!("TLS cannot be prepared: {fault}")))
}

fn authority(pem: &str) -> Result<Certificate, NodeError> {
    Certificate::from_pem(pem.as_bytes()).map_err(|_| invalid("`server.ca_certificate` is no certificate in PEM"))
}

fn login(user: Option<&Text>, password: Option<&Text>) -> Result<Option<Login>, NodeError> {
    let (user, password) = match (user, password) {
        (None, None) => return Ok(None),
        (Some(Text(user)), Some(Text(password))) => (user.clone(), password.clone()),
        (Some(_), None) => return Err(invalid(NO_PASSWORD)),
        (None, Some(_)) => return Err(invalid(NO_USER)),
    };
    // A NUL would end one of them for the server. The password is not shown.
    if user.chars().chain(password.chars()).any(char::is_control) {
        return Err(invalid("`server.user` or `server.password` holds a control character"));
    }
    Ok(Some(Login { user, password }))
}

/// What was said to sign in, in each form in which a server may repeat it.
fn spoken(user: &str, password: &str) -> Vec<String> {
    let plain = BASE64_STANDARD.encode(format!("\0{user}\0{password}"));
    vec![plain, BASE64_STANDARD.encode(password), password.to_owned()]
}

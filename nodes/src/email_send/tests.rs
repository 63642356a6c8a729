//! Messages to a real mail server, kind and unkind ones.

use std::sync::atomic::{AtomicUsize, Ordering};

use base64::{Engine, prelude::BASE64_STANDARD};
use mail_parser::{MessageParser, MimeHeaders};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::testing::{
    Bench, allowing,
    smtp::{PASSWORD, Received, Setup, Smtp, USER},
};

fn bench() -> Bench {
    Bench::with("email.send", &allowing("127.0.0.0/8"))
}

/// A small message to a server, with what the test changes.
fn params(server: &Smtp, change: Value) -> Value {
    let mut params = json!({
        "server": {"host": "localhost", "port": server.address.port(), "ca_certificate": server.authority},
        "from": "Ada Lovelace <ada@example.org>", "to": ["bob@example.net"], "subject": "Hello", "text": "Hello Bob",
    });
    merge(&mut params, change);
    params
}

fn merge(into: &mut Value, change: Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            change.into_iter().for_each(|(name, value)| merge(into.entry(name).or_insert(Value::Null), value));
        }
        (into, change) => *into = change,
    }
}

fn login() -> Value {
    json!({"server": {"user": USER, "password": PASSWORD}})
}

/// The value of a header as it was sent, unfolded; empty when it was not.
fn header(one: &Received, name: &str) -> String {
    let message = MessageParser::default().parse(&one.data).unwrap();
    message.header_raw(name).unwrap_or_default().replace("\r\n", "").trim().to_owned()
}

#[tokio::test]
async fn a_message_arrives_as_it_was_written() {
    let server = Smtp::start(Setup::default()).await;
    let change = json!({
        "to": ["bob@example.net", "\"Doe, Jane\" <jane@bücher.example>"], "cc": "Åsa <asa@example.org>",
        "bcc": ["secret@example.net", "bob@example.net"], "reply_to": "desk@example.org",
        "subject": "Grüße 🎉 und ein sehr langer Betreff, der über mehr als eine Zeile geht, damit er gefaltet werden muss",
        "text": "Erste Zeile\n.\n.zweite\r\n..dritte\rvierte", "html": "<p>Grüße</p>",
        "headers": {"X-Order": 7, "In-Reply-To": "<1@example.org>", "List-Unsubscribe": "<mailto:off@example.org>"},
    });
    let output = bench().output(params(&server, change)).await.value;
    let one = server.received().remove(0);
    assert_eq!(one.from, "<ada@example.org>");
    assert_eq!(one.to, ["<bob@example.net>", "<jane@xn--bcher-kva.example>", "<asa@example.org>", "<secret@example.net>"]);
    assert!(one.is_encrypted && one.login.is_none());
    let message = MessageParser::default().parse(&one.data).unwrap();
    let subject = "Grüße 🎉 und ein sehr langer Betreff, der über mehr als eine Zeile geht, damit er gefaltet werden muss";
    assert_eq!(message.subject(), Some(subject));
    assert_eq!(message.from().and_then(|from| from.first()).and_then(|from| from.name()), Some("Ada Lovelace"));
    let to: Vec<_> = message.to().unwrap().iter().map(|one| (one.name(), one.address().unwrap().to_owned())).collect();
    assert_eq!(to, [(None, "bob@example.net".to_owned()), (Some("Doe, Jane"), "jane@xn--bcher-kva.example".to_owned())]);
    assert_eq!(message.cc().unwrap().first().and_then(|cc| cc.name()), Some("Åsa"));
    assert_eq!(message.body_text(0).as_deref(), Some("Erste Zeile\r\n.\r\n.zweite\r\n..dritte\r\nvierte"));
    assert_eq!(message.body_html(0).as_deref(), Some("<p>Grüße</p>"));
    assert!(message.bcc().is_none() && !String::from_utf8_lossy(&one.data).contains("secret@"), "nobody sees who else got it");
    assert_eq!((header(&one, "X-Order"), header(&one, "In-Reply-To")), ("7".into(), "<1@example.org>".into()));
    assert_eq!((header(&one, "Auto-Submitted"), header(&one, "Reply-To")), ("auto-generated".into(), "desk@example.org".into()));
    assert!(message.date().is_some());
    assert_eq!(
        output["accepted"],
        json!(["bob@example.net", "jane@xn--bcher-kva.example", "asa@example.org", "secret@example.net"])
    );
    assert_eq!((&output["rejected"], &output["response"]), (&json!([]), &json!("250 2.0.0 queued as 4711")));
}

#[tokio::test]
async fn attachments_arrive_byte_for_byte() {
    let server = Smtp::start(Setup::default()).await;
    let bytes: Vec<u8> = (0..3_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let wrapped: Vec<String> =
        BASE64_STANDARD.encode(&bytes).as_bytes().chunks(76).map(|line| String::from_utf8_lossy(line).into_owned()).collect();
    let attachments = json!([
        {"name": "data \"1\" ü.bin", "content": wrapped.join("\r\n"), "encoding": "base64", "content_type": "application/x-data"},
        {"name": "lines.txt", "content": "a\nb\r\nc\rd\n.\n\n"},
        {"name": "order.json", "content": {"id": 7}},
    ]);
    bench().output(params(&server, json!({"html": "<p>x</p>", "attachments": attachments}))).await;
    let one = server.received().remove(0);
    let message = MessageParser::default().parse(&one.data).unwrap();
    let found: Vec<_> =
        message.attachments().map(|part| (part.attachment_name().unwrap().to_owned(), part.contents().to_vec())).collect();
    assert_eq!(found[0].0, "data \"1\" ü.bin");
    assert_eq!(Sha256::digest(&found[0].1), Sha256::digest(&bytes));
    assert_eq!(
        found[1..],
        [("lines.txt".into(), b"a\nb\r\nc\rd\n.\n\n".to_vec()), ("order.json".into(), br#"{"id":7}"#.to_vec())]
    );
    assert_eq!(message.body_text(0).as_deref(), Some("Hello Bob"));
}

#[tokio::test]
async fn two_attempts_have_one_message_id() {
    let times = AtomicUsize::new(0);
    let server = Smtp::answering(move |line| {
        // The first message is taken, and its receipt lost.
        (line == "." && times.fetch_add(1, Ordering::SeqCst) < 2).then_some("close")
    })
    .await;
    let (step, params) = (bench(), params(&server, json!({})));
    let fault = step.fails(params.clone(), "NETWORK_ERROR", "the message").await;
    assert!(fault.retryable);
    let output = step.output(params.clone()).await.value;
    let ids: Vec<_> = server.received().iter().map(|one| header(one, "Message-ID")).collect();
    let expected = format!("<{}@example.org>", step.cx.effect_key);
    assert_eq!((ids, &output["message_id"]), (vec![expected.clone(), expected.clone()], &json!(expected)));
    let other = step.next("email.send", "another").output(params).await.value;
    assert_ne!(other["message_id"], output["message_id"]);
}

#[tokio::test]
async fn signing_in_is_done_inside_tls_only() {
    for (is_tls, offers) in
        [(false, &["STARTTLS", "AUTH LOGIN PLAIN"]), (true, &["AUTH PLAIN", ""]), (false, &["STARTTLS", "AUTH LOGIN"])]
    {
        let server = Smtp::start(Setup { is_tls, offers, ..Setup::default() }).await;
        let security = json!({"server": {"security": if is_tls { "tls" } else { "starttls" }}});
        let mut params = params(&server, login());
        merge(&mut params, security);
        bench().output(params.clone()).await;
        let one = server.received().remove(0);
        assert_eq!((one.is_encrypted, one.login), (true, Some(format!("{USER}:{PASSWORD}"))), "{offers:?}");
        params["server"]["password"] = json!("wrong");
        let fault = bench().fails(params, "SMTP_AUTH_FAILED", "535 5.7.8").await;
        assert_eq!((fault.retryable, &fault.details["reply_code"]), (false, &json!(535)));
    }
    let none = Smtp::start(Setup { offers: &["STARTTLS"], ..Setup::default() }).await;
    bench().fails(params(&none, login()), "SMTP_AUTH_FAILED", "neither PLAIN nor LOGIN").await;
    let later = Smtp::answering(|line| line.starts_with("AUTH").then_some("454 4.7.0 not now")).await;
    assert!(bench().fails(params(&later, login()), "SMTP_AUTH_FAILED", "454").await.retryable);
}

#[tokio::test]
async fn what_a_server_repeats_of_a_password_is_not_shown() {
    let server = Smtp::answering(|line| {
        let said = line.strip_prefix("AUTH PLAIN ")?;
        Some(Box::leak(format!("535 5.5.2 cannot read {said} of {PASSWORD}").into_boxed_str()))
    })
    .await;
    let fault = bench().fails(params(&server, login()), "SMTP_AUTH_FAILED", "cannot read *** of ***").await;
    let all = format!("{fault} {}", fault.details);
    assert!(!all.contains(PASSWORD) && !all.contains(&BASE64_STANDARD.encode(format!("\0{USER}\0{PASSWORD}"))), "{all}");
}

#[tokio::test]
async fn a_certificate_of_somebody_else_is_refused() {
    for is_tls in [false, true] {
        let security = if is_tls { "tls" } else { "starttls" };
        let named = Smtp::start(Setup { name: "mail.example.org", is_tls, ..Setup::default() }).await;
        let fault = bench().fails(params(&named, json!({"server": {"security": security}})), "TLS_FAILED", "certificate").await;
        assert!(!fault.retryable && named.received().is_empty());
        let unknown = Smtp::start(Setup { is_tls, ..Setup::default() }).await;
        let mut params = params(&unknown, json!({"server": {"security": security}}));
        params["server"].as_object_mut().unwrap().remove("ca_certificate");
        bench().fails(params, "TLS_FAILED", "certificate").await;
        assert!(unknown.received().is_empty());
    }
}

#[tokio::test]
async fn a_server_that_does_without_tls_gets_nothing() {
    let without = Smtp::start(Setup { offers: &["AUTH PLAIN"], ..Setup::default() }).await;
    bench().fails(params(&without, login()), "TLS_FAILED", "STARTTLS").await;
    let refusing = Smtp::answering(|line| (line == "STARTTLS").then_some("454 4.7.0 TLS not available")).await;
    assert!(bench().fails(params(&refusing, login()), "SMTP_REJECTED", "454").await.retryable);
    // Words from before TLS must not be taken for words from inside it.
    let injects = "\r\n250-mail.test\r\n250 AUTH PLAIN";
    let injected = Smtp::start(Setup { injects, ..Setup::default() }).await;
    bench().fails(params(&injected, login()), "NETWORK_ERROR", "more than it was asked for").await;
    let confused = Smtp::start(Setup { offers: &["AUTH PLAIN"], ..Setup::default() }).await;
    bench().fails(params(&confused, json!({"server": {"security": "tls"}})), "TLS_FAILED", "").await;
    assert!([without, refusing, injected].iter().all(|server| server.received().is_empty()));
}

#[tokio::test]
async fn plain_text_is_for_networks_that_the_operator_names() {
    let server = Smtp::start(Setup { offers: &["AUTH PLAIN"], ..Setup::default() }).await;
    let mut params = params(&server, login());
    merge(&mut params, json!({"server": {"security": "none"}}));
    bench().output(params.clone()).await;
    let one = server.received().remove(0);
    assert_eq!((one.is_encrypted, one.login), (false, Some(format!("{USER}:{PASSWORD}"))));
    for security in ["none", "starttls", "tls"] {
        params["server"]["security"] = json!(security);
        for host in ["localhost", "127.0.0.1", "127.1", "[::1]", "10.0.0.1", "169.254.169.254"] {
            params["server"]["host"] = json!(host);
            let strict = Bench::with("email.send", &allowing("192.168.0.0/16"));
            strict.fails(params.clone(), "EGRESS_DENIED", "FLOWFORGE_EGRESS_ALLOW").await;
        }
    }
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_secret_goes_to_its_host_only() {
    let server = Smtp::start(Setup::default()).await;
    let elsewhere = bench().secret_for("MAIL", &["smtp.example.org"]);
    elsewhere.fails(params(&server, login()), "SECRET_HOST_DENIED", "MAIL").await;
    assert_eq!(server.connections(), 0);
    bench().secret_for("MAIL", &["localhost"]).output(params(&server, login())).await;
}

async fn refused(at: &'static str, answer: &'static str, retry: bool) {
    let server = Smtp::answering(move |line| line.starts_with(at).then_some(answer)).await;
    let fault = bench().fails(params(&server, json!({})), "SMTP_REJECTED", answer.get(..3).unwrap()).await;
    let code: u16 = answer[..3].parse().unwrap();
    assert_eq!((fault.retryable, &fault.details["reply_code"]), (retry, &json!(code)), "{at}: {fault}");
    assert!(server.received().is_empty());
}

#[tokio::test]
async fn a_refusal_says_whether_to_try_again() {
    for at in ["connect", "EHLO", "MAIL", "RCPT", "DATA", "."] {
        refused(at, "421 4.3.2 shutting down", true).await;
        refused(at, "450 4.2.0 greylisted", true).await;
        refused(at, "550 5.7.1 not here", false).await;
    }
    refused(".", "552-5.3.4 too large\r\n552 5.3.4 by far", false).await;
}

#[tokio::test]
async fn who_is_refused_is_named() {
    let server = Smtp::answering(|line| match line {
        "RCPT TO:<gone@example.net>" => Some("550 5.1.1 no such user"),
        "RCPT TO:<full@example.net>" => Some("452 4.2.2 over quota"),
        _ => None,
    })
    .await;
    let change = json!({"to": ["gone@example.net", "bob@example.net"], "cc": ["full@example.net"]});
    let output = bench().output(params(&server, change.clone())).await.value;
    let rejected = json!([
        {"reply_code": 550, "reply": "5.1.1 no such user", "address": "gone@example.net"},
        {"reply_code": 452, "reply": "4.2.2 over quota", "address": "full@example.net"},
    ]);
    assert_eq!((&output["accepted"], &output["rejected"]), (&json!(["bob@example.net"]), &rejected));
    assert_eq!(server.received().remove(0).to, ["<bob@example.net>"]);
    let mut strict = params(&server, change);
    strict["all_or_none"] = json!(true);
    let fault = bench().fails(strict, "SMTP_REJECTED", "gone@example.net (550 5.1.1 no such user)").await;
    assert_eq!((fault.retryable, &fault.details["rejected"]), (true, &rejected), "one of them may be taken later");
    let fault = bench().fails(params(&server, json!({"to": ["gone@example.net"]})), "SMTP_REJECTED", "550").await;
    assert!(!fault.retryable);
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_server_that_is_silent_or_absent_is_an_error() {
    for at in ["connect", "EHLO", "MAIL", "."] {
        let silent = Smtp::answering(move |line| line.starts_with(at).then_some("hang")).await;
        let fault = bench().fails(params(&silent, json!({"timeout_s": 0.5})), "SMTP_TIMEOUT", "0.5 seconds").await;
        assert!(fault.retryable);
    }
    let silent_at_the_end = Smtp::answering(|line| (line == "QUIT").then_some("hang")).await;
    bench().output(params(&silent_at_the_end, json!({}))).await;
    for answer in ["close", "HTTP/1.1 400 Bad Request", "999 what?"] {
        let broken = Smtp::answering(move |line| line.starts_with("MAIL").then_some(answer)).await;
        assert!(bench().fails(params(&broken, json!({})), "NETWORK_ERROR", "the sender").await.retryable, "{answer}");
    }
    let mut params = params(&Smtp::start(Setup::default()).await, json!({}));
    params["server"]["port"] = json!(1);
    assert!(bench().fails(params.clone(), "NETWORK_ERROR", "refused").await.retryable);
    params["server"]["security"] = json!("tls");
    assert!(bench().fails(params.clone(), "NETWORK_ERROR", "refused").await.retryable);
    params["server"]["host"] = json!("nowhere.invalid");
    assert!(bench().fails(params, "NETWORK_ERROR", "nowhere.invalid").await.retryable);
}

#[tokio::test]
async fn addresses_beyond_ascii_need_a_server_that_takes_them() {
    let modern = Smtp::start(Setup { offers: &["STARTTLS", "SMTPUTF8", "8BITMIME"], ..Setup::default() }).await;
    bench().output(params(&modern, json!({"to": ["用户@例え.jp"]}))).await;
    let one = modern.received().remove(0);
    assert_eq!(
        (one.from.as_str(), one.to),
        ("<ada@example.org> SMTPUTF8 BODY=8BITMIME", vec!["<用户@xn--r8jz45g.jp>".to_owned()])
    );
    let old = Smtp::start(Setup::default()).await;
    bench().fails(params(&old, json!({"to": ["用户@例え.jp"]})), "SMTP_REJECTED", "用户@").await;
    bench().output(params(&old, json!({"to": ["Ünal <user@例え.jp>"]}))).await;
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_before_it_is_tried() {
    let server = Smtp::start(Setup::default()).await;
    let evil = "x\r\nBcc: eve@example.org";
    let file = |change: Value| {
        let mut file = json!({"name": "a.txt", "content": "a"});
        merge(&mut file, change);
        json!({"attachments": [file]})
    };
    for (change, words) in [
        (json!({"subject": evil}), "subject"),
        (json!({"subject": "x\u{85}y"}), "subject"),
        (json!({"from": format!("{evil} <ada@example.org>")}), "from"),
        (json!({"to": ["bob@example.net\nBcc: eve@example.org"]}), "to.0"),
        (json!({"to": "bob@example.net, eve@example.org"}), "to.0"),
        (json!({"cc": ["bob@example.net\r\nDATA"]}), "cc.0"),
        (json!({"reply_to": evil}), "reply_to.0"),
        (json!({"headers": {"X-A": evil}}), "headers.X-A"),
        (json!({"headers": {"X-A\r\nBcc": "eve@example.org"}}), "X-A\\r\\nBcc"),
        (json!({"headers": {"Bcc": "eve@example.org"}}), "Bcc"),
        (json!({"headers": {"Content-Type": "text/html"}}), "Content-Type"),
        (json!({"headers": {"From": "eve@example.org"}}), "From"),
        (json!({"headers": {"Message-ID": "<1@example.org>"}}), "Message-ID"),
        (file(json!({"name": evil})), "attachments.0.name"),
        (file(json!({"name": "../a.txt"})), "folders"),
        (file(json!({"content_type": "text/plain\r\nX-A: b"})), "content_type"),
        (file(json!({"content_type": "multipart/mixed; boundary=x"})), "multipart"),
        (file(json!({"content": "a*b", "encoding": "base64"})), "base64"),
        (file(json!({"content": {"a": 1}, "encoding": "base64"})), "must be a text"),
        (json!({"to": [], "cc": "", "bcc": null}), "nobody"),
        (json!({"to": ["bob@example.net", ""]}), "to.1"),
        (json!({"to": (0..101).map(|n| format!("b{n}@example.net")).collect::<Vec<_>>()}), "100 recipients"),
        (json!({"text": null}), "`text` or `html`"),
        (json!({"server": {"host": "mail example.org"}}), "server.host"),
        (json!({"server": {"host": "u:p@example.org/x"}}), "server.host"),
        (json!({"server": {"host": "example.org\r\nX"}}), "server.host"),
        (json!({"server": {"user": "a"}}), "server.password"),
        (json!({"server": {"user": "a\0b", "password": "c"}}), "control character"),
        (json!({"server": {"security": "maybe"}}), "maybe"),
        (json!({"server": {"ca_certificate": "-----BEGIN CERTIFICATE-----\nAAA"}}), "ca_certificate"),
        (json!({"timeout_s": -1}), "timeout_s"),
    ] {
        bench().fails(params(&server, change), "INVALID_PARAMETER", words).await;
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_tried() {
    let server = Smtp::start(Setup::default()).await;
    let large = "a".repeat(25 << 20);
    for content in [json!({"content": large}), json!({"content": BASE64_STANDARD.encode(&large), "encoding": "base64"})] {
        let mut file = json!({"name": "large.bin"});
        merge(&mut file, content);
        let fault = bench().fails(params(&server, json!({"attachments": [file]})), "EMAIL_TOO_LARGE", "20971520").await;
        assert!(!fault.retryable && fault.message.contains("26214"), "{fault}");
    }
    let half = json!({"name": "half.bin", "content": "a".repeat(11 << 20)});
    bench().fails(params(&server, json!({"attachments": [half, half]})), "EMAIL_TOO_LARGE", "all attachments").await;
    bench().fails(params(&server, json!({"text": "a".repeat(5 << 20)})), "EMAIL_TOO_LARGE", "text").await;
    bench()
        .fails(params(&server, json!({"attachments": vec![json!({"name": "a", "content": ""}); 51]})), "INVALID_PARAMETER", "50")
        .await;
    assert_eq!(server.connections(), 0);
}

/// A message that could be sent, with what the test changes.
fn written(change: Value) -> Value {
    let mut params =
        json!({"server": {"host": "smtp.example.org"}, "from": "ada@example.org", "to": ["bob@example.net"], "text": "x"});
    merge(&mut params, change);
    params
}

#[test]
fn what_cannot_be_sent_is_told_when_it_is_saved() {
    let many = vec![json!({"name": "a", "content": "x"}); 51];
    for (change, field) in [
        (json!({"server": {"host": "smtp example org"}}), "server.host"),
        (json!({"server": {"user": "ada"}}), "server.password"),
        (json!({"server": {"password": "{{ secrets.P }}"}}), "server.user"),
        (json!({"server": {"user": "a\u{0}b", "password": "p"}}), "server.user"),
        (json!({"server": {"ca_certificate": "-----BEGIN NOTHING-----"}}), "server.ca_certificate"),
        (json!({"from": "ada"}), "from"),
        (json!({"to": []}), "to"),
        (json!({"to": ["bob@example.net", "a@example.org, b@example.org"]}), "to.1"),
        (json!({"cc": ["nobody"]}), "cc.0"),
        (json!({"bcc": ["{{ trigger.mail }}", "bob@"]}), "bcc.1"),
        (json!({"reply_to": ["desk"]}), "reply_to.0"),
        (json!({"subject": "a\nBcc: eve@example.org"}), "subject"),
        (json!({"text": ""}), "text"),
        (json!({"headers": {"Bcc": "eve@example.org"}}), "headers.Bcc"),
        (json!({"headers": {"X-A": "a\nb"}}), "headers.X-A"),
        (json!({"attachments": many}), "attachments"),
        (json!({"attachments": [{"name": "a/b", "content": "x"}]}), "attachments.0.name"),
        (
            json!({"attachments": [{"name": "a", "content": "x", "content_type": "multipart/mixed"}]}),
            "attachments.0.content_type",
        ),
    ] {
        assert_eq!(bench().problems(&written(change.clone())), [field], "{change}");
    }
}

#[test]
fn what_a_template_will_be_is_not_judged_before() {
    for change in [
        json!({}),
        json!({"server": {"host": "{{ trigger.host }}", "user": "{{ secrets.U }}", "password": "{{ secrets.P }}"}}),
        json!({"from": "{{ trigger.name }} <ada@example.org>", "to": "{{ trigger.people }}", "subject": "{{ trigger.subject }}"}),
        json!({"to": null, "cc": ["{{ trigger.mail }}"], "headers": {"X-Order": "{{ trigger.id }}"}}),
        json!({"text": null, "attachments": [{"name": "{{ trigger.file }}", "content": "{{ trigger.body }}", "encoding": "base64"}]}),
    ] {
        assert_eq!(bench().problems(&written(change.clone())), Vec::<String>::new(), "{change}");
    }
}

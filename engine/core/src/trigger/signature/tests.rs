//! Each scheme with its own right signature, and everything that looks like one.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use super::*;

const SECRET: &[u8] = b"It's a Secret to Everybody";
const BODY: &[u8] = b"{\"action\": \"opened\",  \"n\": 1}\n";
const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn auth(scheme: Scheme) -> Auth {
    Auth { scheme, secret: Some("S".to_owned()), ..Auth::default() }
}

fn mac(secret: &[u8], text: &[u8]) -> Vec<u8> {
    Hmac::<Sha256>::new_from_slice(secret).unwrap().chain_update(text).finalize().into_bytes().to_vec()
}

#[track_caller]
fn verify(auth: &Auth, secret: &[u8], headers: &[(&str, &str)], body: &[u8]) -> Result<Proof, Refusal> {
    let headers = headers.iter().copied().collect();
    auth.verify(secret, Claim { headers: &headers, body, now: NOW })
}

fn github(text: &[u8]) -> String {
    format!("sha256={}", hex(&mac(SECRET, text)))
}

/// The example of GitHub's own documentation.
#[test]
fn githubs_example_is_believed() {
    let signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    assert!(verify(&auth(Scheme::Github), SECRET, &[("X-Hub-Signature-256", signature)], b"Hello, World!").is_ok());
}

#[test]
fn what_was_signed_are_the_bytes() {
    let auth = auth(Scheme::Github);
    let right = github(BODY);
    let signed = |body: &[u8]| verify(&auth, SECRET, &[("x-hub-signature-256", &right)], body);
    assert!(signed(BODY).is_ok());
    let with_mark = ["\u{feff}".as_bytes(), BODY].concat();
    let value: serde_json::Value = serde_json::from_slice(BODY).unwrap();
    let rewritten = serde_json::to_vec(&value).unwrap();
    for other in [&rewritten, &with_mark, BODY.trim_ascii(), b"", &BODY[1..]] {
        assert_eq!(signed(other), Err(Refusal::Wrong), "{:?}", String::from_utf8_lossy(other));
    }
}

#[test]
fn what_only_looks_like_a_signature_is_refused() {
    let auth = auth(Scheme::Github);
    let right = github(BODY);
    let malformed = [
        right.to_uppercase(),
        right.trim_start_matches("sha256=").to_owned(),
        right.replace("sha256", "sha1"),
        right[..right.len() - 1].to_owned(),
        format!("sha256={}", "é".repeat(32)),
        format!("{right} "),
        String::new(),
    ];
    for text in &malformed {
        let found = verify(&auth, SECRET, &[("x-hub-signature-256", text)], BODY);
        assert!(matches!(found, Err(Refusal::Malformed(_) | Refusal::Wrong)), "{text}: {found:?}");
    }
    for text in [&right[..right.len() - 2], "sha256=", &github(b"other")] {
        assert_eq!(verify(&auth, SECRET, &[("x-hub-signature-256", text)], BODY), Err(Refusal::Wrong), "{text}");
    }
    assert!(matches!(verify(&auth, SECRET, &[], BODY), Err(Refusal::Missing(_))));
    let twice = [("x-hub-signature-256", right.as_str()), ("X-Hub-Signature-256", &right)];
    assert!(matches!(verify(&auth, SECRET, &twice, BODY), Err(Refusal::Missing(_))));
    assert_eq!(verify(&auth, b"another secret", &[("x-hub-signature-256", &right)], BODY), Err(Refusal::Wrong));
}

#[test]
fn an_empty_secret_is_nobodys() {
    let signed = format!("sha256={}", hex(&mac(b"", BODY)));
    let headers = [("x-hub-signature-256", signed.as_str()), ("x-gitlab-token", ""), ("authorization", "Basic ")];
    for scheme in
        [Scheme::Github, Scheme::Gitlab, Scheme::Basic, Scheme::HmacSha256, Scheme::Slack, Scheme::Stripe, Scheme::Bearer]
    {
        assert!(verify(&auth(scheme), b"", &headers, BODY).is_err(), "{scheme:?}");
    }
}

/// A captured request counts for five minutes, whatever its sender's clock says.
#[test]
fn what_covers_a_time_is_believed_near_that_time_only() {
    for (away, is_believed) in
        [(0_i64, true), (299, true), (-299, true), (301, false), (-301, false), (600, false), (i64::MAX / 2, false)]
    {
        let time = (NOW.0 / 1_000).saturating_add(away).to_string();
        let slack = format!("v0={}", hex(&mac(SECRET, &[b"v0:", time.as_bytes(), b":", BODY].concat())));
        let headers = [("x-slack-request-timestamp", time.as_str()), ("x-slack-signature", &slack)];
        assert_eq!(verify(&auth(Scheme::Slack), SECRET, &headers, BODY).is_ok(), is_believed, "slack {away}");
        let v1 = hex(&mac(SECRET, &[time.as_bytes(), b".", BODY].concat()));
        let stripe = format!("t={time},v1={v1},v0=abc");
        assert_eq!(
            verify(&auth(Scheme::Stripe), SECRET, &[("stripe-signature", &stripe)], BODY).is_ok(),
            is_believed,
            "stripe {away}"
        );
        let own = Auth { timestamp_header: Some("X-Time".to_owned()), ..auth(Scheme::HmacSha256) };
        let headers = [("x-time", time.as_str()), ("x-signature", &v1)];
        assert_eq!(verify(&own, SECRET, &headers, BODY).is_ok(), is_believed, "own {away}");
        assert!(verify(&own, SECRET, &headers[1..], BODY).is_err());
    }
}

#[test]
fn stripe_may_offer_several_signatures() {
    let time = (NOW.0 / 1_000).to_string();
    let right = hex(&mac(SECRET, &[time.as_bytes(), b".", BODY].concat()));
    let wrong = hex(&mac(b"old", BODY));
    let verify = |text: &str| verify(&auth(Scheme::Stripe), SECRET, &[("stripe-signature", text)], BODY);
    assert!(verify(&format!("t={time},v1={wrong},v1={right}")).is_ok());
    let many = format!(",v1={wrong}").repeat(MOST_OFFERED);
    for text in [
        format!("t={time},v1={wrong}"),
        format!("t={time},v0={right}"),
        format!("t={time}{many},v1={right}"),
        format!("t={time},t={time},v1={right}"),
        format!("v1={right}"),
        format!("t={time},v1={}", right.to_uppercase()),
        format!("t=x,v1={right}"),
        String::new(),
    ] {
        assert!(verify(&text).is_err(), "{text}");
    }
}

#[test]
fn passwords_are_believed_whole() {
    let basic = format!("bAsIc {}", STANDARD.encode("ada:pass:word"));
    for (auth, secret, header, right) in [
        (auth(Scheme::Gitlab), "t0ken", "x-gitlab-token", "t0ken"),
        (auth(Scheme::Bearer), "t0ken", "authorization", "Bearer t0ken"),
        (Auth { header: Some("X-Api-Key".to_owned()), ..auth(Scheme::Bearer) }, "t0ken", "x-api-key", "t0ken"),
        (auth(Scheme::Basic), "ada:pass:word", "authorization", basic.as_str()),
    ] {
        let believed = |text: &str| verify(&auth, secret.as_bytes(), &[(header, text)], BODY).is_ok();
        assert!(believed(right), "{auth:?}");
        for wrong in [&right[..right.len() - 1], &format!("{right}x"), &format!(" {right}"), "", "Bearer ", "Basic "] {
            assert!(!believed(wrong), "{auth:?}: {wrong}");
        }
    }
}

#[test]
fn signatures_of_ones_own_are_written_as_the_author_says() {
    let right = mac(SECRET, BODY);
    let own = Auth {
        header: Some("X-Sum".to_owned()),
        prefix: Some("v1,".to_owned()),
        encoding: Encoding::Base64,
        ..auth(Scheme::HmacSha256)
    };
    let encoded = format!("v1,{}", STANDARD.encode(&right));
    assert!(verify(&own, SECRET, &[("x-sum", &encoded)], BODY).is_ok());
    assert!(verify(&own, SECRET, &[("x-sum", &hex(&right))], BODY).is_err());
    assert!(verify(&auth(Scheme::HmacSha256), SECRET, &[("x-signature", &hex(&right))], BODY).is_ok());
}

/// A captured request can be sent again under another id where the id is not signed.
#[test]
fn what_is_signed_counts_once_where_nothing_else_tells() {
    let once = |auth: &Auth, headers: &[(&str, &str)]| verify(auth, SECRET, headers, BODY).unwrap().once;
    let github_signature = github(BODY);
    let github = [("x-hub-signature-256", github_signature.as_str())];
    assert_eq!(once(&auth(Scheme::Github), &github), Some(hex(&Sha256::digest(BODY))));
    assert_eq!(once(&Auth { once: Some(false), ..auth(Scheme::Github) }, &github), None);
    let plain = hex(&mac(SECRET, BODY));
    let plain = [("x-signature", plain.as_str())];
    assert_eq!(once(&auth(Scheme::HmacSha256), &plain), None, "the same body may be meant twice");
    assert!(once(&Auth { once: Some(true), ..auth(Scheme::HmacSha256) }, &plain).is_some());
    let at = |time: i64| {
        let time = (NOW.0 / 1_000 + time).to_string();
        let v1 = hex(&mac(SECRET, &[time.as_bytes(), b".", BODY].concat()));
        once(&auth(Scheme::Stripe), &[("stripe-signature", &format!("t={time},v1={v1}"))])
    };
    assert!(at(0).is_some() && at(0) == at(0) && at(0) != at(1), "the time is part of it");
}

/// W4, measured: a password that is wrong in its first character and one that is wrong in its last are refused in the same time. They
/// are so long that a comparison that stops early is told at once, as the control shows.
#[test]
fn the_time_of_a_refusal_says_nothing() {
    let right = "s".repeat(4_096);
    let secret = right.clone();
    let refuse = |guess: &str| verify(&auth(Scheme::Gitlab), secret.as_bytes(), &[("x-gitlab-token", guess)], BODY).is_ok();
    let (times, factor) = apart(&right, &refuse);
    println!("a refusal takes {times:?}, a factor of {factor:.3}");
    assert!(factor < 1.2, "{times:?}");
    let early = |guess: &str| right.bytes().zip(guess.bytes()).all(|(one, other)| one == other);
    let (times, factor) = apart(&right, &early);
    println!("one that stops early takes {times:?}, a factor of {factor:.1}");
    assert!(factor > 3.0, "the measurement would see it: {times:?}");
}

/// How long guesses take that are wrong at their beginning and at their end: the lower quartile of many, taken in turns so that what
/// else the machine does falls on both. And by which factor these differ.
#[expect(clippy::disallowed_methods, reason = "it measures how long something takes in this process")]
fn apart(right: &str, refuse: &dyn Fn(&str) -> bool) -> ([Duration; 2], f64) {
    const ROUNDS: usize = 1_500;
    let guesses = [format!("x{}", &right[1..]), format!("{}x", &right[1..])];
    let mut times = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS * 2 {
        // Each is the first one as often as the other.
        for at in [round % 2, (round + 1) % 2] {
            let began = Instant::now();
            assert!(!black_box(refuse(black_box(&guesses[at]))));
            times[at].push(began.elapsed());
        }
    }
    let quartile = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        times[times.len() / 4]
    };
    let [first, last] = &mut times;
    let (first, last) = (quartile(first), quartile(last));
    let factor = first.max(last).as_secs_f64() / first.min(last).as_secs_f64().max(1e-9);
    ([first, last], factor)
}

/// There is one place that compares, and it is the one made for it.
#[test]
fn everything_secret_is_compared_in_one_place() {
    let source = include_str!("../signature.rs").split("pub(super) fn is_secret_name").next().unwrap();
    let code = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    assert_eq!(code.matches(".ct_eq(").count(), 1, "`same` and nothing else compares");
    assert_eq!(code.matches("same(").count(), 3, "its definition, signatures, passwords");
    for line in code.lines().filter(|line| line.contains("==") || line.contains("!=")) {
        let is_public = ["self.scheme", "\"t\"", "\"v1\""].iter().any(|known| line.contains(known));
        assert!(is_public, "this may compare something secret: {line}");
    }
}

//! The message itself: headers, bodies and attachments, made from parameters and checked first.

use base64::{Engine, prelude::BASE64_STANDARD};
use flowforge_core::node::NodeError;
use lettre::{
    Address, Message,
    message::{
        Body, Mailbox, MessageBuilder, MultiPart, SinglePart,
        header::{ContentDisposition, ContentTransferEncoding, ContentType, HeaderName, HeaderValue},
    },
};
use serde_json::Value;

use super::{
    Attachment, Encoding, Params,
    address::{mailbox, mailboxes},
    one_line,
};
use crate::params::{Problems, Text, invalid, is_template, known};

/// The most addresses of one message.
const MOST_RECIPIENTS: usize = 100;
/// The most attachments of one message.
const MOST_ATTACHMENTS: usize = 50;
/// The most bytes that all attachments come to.
pub(super) const MOST_ATTACHED: usize = 20 << 20;
/// The most bytes of text and HTML together.
const LARGEST_BODY: usize = 4 << 20;
/// The longest value of a header, in bytes: a line of a message has 998 at the most.
const LONGEST_VALUE: usize = 900;
/// Headers beside `X-…` and `List-…` that an author may set: they neither address the message nor say how to read it.
const HEADERS: [&str; 10] = [
    "auto-submitted",
    "comments",
    "feedback-id",
    "importance",
    "in-reply-to",
    "keywords",
    "organization",
    "precedence",
    "priority",
    "references",
];

/// What is said of a message for nobody.
const NOBODY: &str = "nobody is named in `to`, `cc` or `bcc`";
/// What is said of a message without anything in it.
const NOTHING: &str = "`text` or `html` is required";

/// A message that is ready to be sent.
pub(super) struct Mail {
    pub(super) from: Address,
    /// Everybody whom it is for, each once.
    pub(super) recipients: Vec<Address>,
    /// The same for every attempt of a step, so that a receiver can drop what it has already.
    pub(super) message_id: String,
    pub(super) bytes: Vec<u8>,
}

/// Notes what can be said of a message before any template is resolved.
pub(super) fn check(letter: &Params, problems: &mut Problems) {
    let lists = [("to", &letter.to), ("cc", &letter.cc), ("bcc", &letter.bcc), ("reply_to", &letter.reply_to)];
    let mut single = |field: &str, text: &Text| {
        if !is_template(text) {
            problems.note(field, mailbox(field, text));
        }
    };
    single("from", &letter.from);
    for (field, list) in lists {
        list.iter().enumerate().for_each(|(at, text)| single(&format!("{field}.{at}"), text));
    }
    if lists[..3].iter().all(|(_, list)| list.is_empty()) {
        problems.missing("to", NOBODY);
    }
    if letter.text.is_none() && letter.html.is_none() && letter.attachments.is_empty() {
        problems.missing("text", NOTHING);
    }
    if let Some(subject) = known(Some(&letter.subject)) {
        problems.note("subject", one_line("subject", subject, LONGEST_VALUE));
    }
    for (name, value) in &letter.headers {
        let value = if is_template(value) { "" } else { value };
        problems.note(&format!("headers.{name}"), header(name, value));
    }
    problems.note("attachments", few_attachments(&letter.attachments));
    for (at, attachment) in letter.attachments.iter().enumerate() {
        let field = format!("attachments.{at}");
        if let Some(name) = known(Some(&attachment.name)) {
            problems.note(&format!("{field}.name"), file_name(&field, name));
        }
        if let Some(kind) = known(attachment.content_type.as_ref()) {
            problems.note(&format!("{field}.content_type"), content_type(&field, kind));
        }
    }
}

/// Makes a message. Takes some time when much is attached.
pub(super) fn compose(letter: Params, effect_key: &str) -> Result<Mail, NodeError> {
    let from = mailbox("from", &letter.from)?;
    let (to, cc, bcc) = (mailboxes("to", &letter.to)?, mailboxes("cc", &letter.cc)?, mailboxes("bcc", &letter.bcc)?);
    let recipients = everybody([&to, &cc, &bcc])?;
    let message_id = format!("<{effect_key}@{}>", from.email.domain());
    let mut head = Message::builder()
        .from(from.clone())
        .subject(one_line("subject", &letter.subject, LONGEST_VALUE)?)
        .message_id(Some(message_id.clone()))
        .envelope(envelope(&from, &recipients)?)
        // Whatever answers by itself, on holiday or in error, is not to answer a machine.
        .raw_header(HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()));
    head = to.into_iter().fold(head, MessageBuilder::to);
    head = cc.into_iter().fold(head, MessageBuilder::cc);
    head = mailboxes("reply_to", &letter.reply_to)?.into_iter().fold(head, MessageBuilder::reply_to);
    for (name, value) in &letter.headers {
        head = head.raw_header(header(name, value)?);
    }
    let message = fill(head, letter.text, letter.html, letter.attachments)?;
    Ok(Mail { from: from.email, recipients, message_id, bytes: message.formatted() })
}

fn everybody(lists: [&Vec<Mailbox>; 3]) -> Result<Vec<Address>, NodeError> {
    let mut everybody: Vec<Address> = Vec::new();
    for one in lists.into_iter().flatten() {
        if !everybody.contains(&one.email) {
            everybody.push(one.email.clone());
        }
    }
    match everybody.len() {
        0 => Err(invalid(NOBODY)),
        1..=MOST_RECIPIENTS => Ok(everybody),
        many => Err(invalid(format!("a message has at most {MOST_RECIPIENTS} recipients, not {many}; send several"))),
    }
}

fn envelope(from: &Mailbox, recipients: &[Address]) -> Result<lettre::address::Envelope, NodeError> {
    lettre::address::Envelope::new(Some(from.email.clone()), recipients.to_vec()).map_err(unmade)
}

fn header(name: &str, value: &str) -> Result<HeaderValue, NodeError> {
    let lower = name.to_ascii_lowercase();
    let is_token = name.len() <= 70 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if !is_token || !(lower.starts_with("x-") || lower.starts_with("list-") || HEADERS.contains(&lower.as_str())) {
        let known = HEADERS.join(", ");
        let name = name.escape_debug();
        return Err(invalid(format!("the header `{name}` cannot be set here; allowed are X-…, List-…, {known}")));
    }
    let value = one_line(&format!("headers.{name}"), value, LONGEST_VALUE)?;
    let name = HeaderName::new_from_ascii(name.to_owned()).map_err(|_| invalid(format!("`{name}` is no header's name")))?;
    Ok(HeaderValue::new(name, value.to_owned()))
}

fn fill(
    head: MessageBuilder,
    text: Option<Text>,
    html: Option<Text>,
    attachments: Vec<Attachment>,
) -> Result<Message, NodeError> {
    let size = text.as_ref().map_or(0, |text| text.len()) + html.as_ref().map_or(0, |html| html.len());
    if size > LARGEST_BODY {
        return Err(too_large("`text` and `html`", size, LARGEST_BODY));
    }
    let attached = attach(attachments)?;
    let body = match (text.map(plain), html.map(hypertext)) {
        (Some(text), Some(html)) => Part::Multi(MultiPart::alternative().singlepart(text).singlepart(html)),
        (Some(one), None) | (None, Some(one)) => Part::Single(one),
        (None, None) if attached.is_empty() => return Err(invalid(NOTHING)),
        (None, None) => Part::Single(plain(Text::default())),
    };
    let made = match (body, attached) {
        (Part::Single(body), none) if none.is_empty() => head.singlepart(body),
        (Part::Multi(body), none) if none.is_empty() => head.multipart(body),
        (body, attached) => {
            let mixed = match body {
                Part::Single(body) => MultiPart::mixed().singlepart(body),
                Part::Multi(body) => MultiPart::mixed().multipart(body),
            };
            head.multipart(attached.into_iter().fold(mixed, MultiPart::singlepart))
        }
    };
    made.map_err(unmade)
}

enum Part {
    Single(SinglePart),
    Multi(MultiPart),
}

fn plain(text: Text) -> SinglePart {
    SinglePart::plain(lines(&text))
}

fn hypertext(html: Text) -> SinglePart {
    SinglePart::html(lines(&html))
}

/// A carriage return that stands alone ends a line for some servers and not for others.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n").replace('\r', "\n")
}

fn attach(attachments: Vec<Attachment>) -> Result<Vec<SinglePart>, NodeError> {
    few_attachments(&attachments)?;
    let mut left = MOST_ATTACHED;
    let one = |(at, attachment)| part(&format!("attachments.{at}"), attachment, &mut left);
    attachments.into_iter().enumerate().map(one).collect()
}

fn few_attachments(attachments: &[Attachment]) -> Result<(), NodeError> {
    match attachments.len() {
        0..=MOST_ATTACHMENTS => Ok(()),
        many => Err(invalid(format!("a message has at most {MOST_ATTACHMENTS} attachments, not {many}"))),
    }
}

fn file_name<'t>(field: &str, text: &'t str) -> Result<&'t str, NodeError> {
    let name = one_line(&format!("{field}.name"), text.trim(), 255)?;
    if name.is_empty() || name.contains(['/', '\\']) {
        return Err(invalid(format!("`{field}.name` must be the name of a file, without folders")));
    }
    Ok(name)
}

/// One attachment. It is always sent as base64, so that its bytes arrive as they are.
fn part(field: &str, attachment: Attachment, left: &mut usize) -> Result<SinglePart, NodeError> {
    let disposition = ContentDisposition::attachment(file_name(field, &attachment.name)?);
    let (bytes, usual) = content(field, attachment.content, attachment.encoding.unwrap_or_default(), *left)?;
    *left -= bytes.len();
    let kind = match attachment.content_type {
        Some(kind) => content_type(field, &kind)?,
        None => ContentType::parse(usual).map_err(unmade)?,
    };
    let body = Body::new_with_encoding(bytes, ContentTransferEncoding::Base64)
        .map_err(|_| unmade("an attachment cannot be written as base64"))?;
    Ok(SinglePart::builder().header(disposition).header(kind).body(body))
}

/// The bytes of an attachment, and what they are when nobody says.
fn content(field: &str, content: Value, encoding: Encoding, left: usize) -> Result<(Vec<u8>, &'static str), NodeError> {
    let about = match &content {
        Value::String(text) if encoding == Encoding::Base64 => text.len() / 4 * 3,
        Value::String(text) => text.len(),
        _ => 0,
    };
    // Base64 ends in up to two signs that stand for nothing.
    let refuse = |size: usize| too_large("all attachments", MOST_ATTACHED - left + size, MOST_ATTACHED);
    if about > left + 2 {
        return Err(refuse(about));
    }
    let (bytes, usual) = match (content, encoding) {
        (Value::String(text), Encoding::Base64) => {
            let text: Vec<u8> = text.into_bytes().into_iter().filter(|byte| !byte.is_ascii_whitespace()).collect();
            let bytes = BASE64_STANDARD.decode(&text);
            (bytes.map_err(|fault| invalid(format!("`{field}.content` is no base64: {fault}")))?, "application/octet-stream")
        }
        (Value::String(text), Encoding::Text) => (text.into_bytes(), "text/plain; charset=utf-8"),
        (json, Encoding::Text) => (json.to_string().into_bytes(), "application/json"),
        (_, Encoding::Base64) => return Err(invalid(format!("`{field}.content` must be a text when `encoding` is base64"))),
    };
    if bytes.len() > left {
        return Err(refuse(bytes.len()));
    }
    Ok((bytes, usual))
}

fn content_type(field: &str, text: &str) -> Result<ContentType, NodeError> {
    let field = format!("{field}.content_type");
    let text = one_line(&field, text.trim(), 200)?;
    let lower = text.to_ascii_lowercase();
    if !text.is_ascii() || lower.starts_with("multipart/") || lower.starts_with("message/") {
        return Err(invalid(format!("`{field}` cannot be `{text}`; an attachment is a file, like application/pdf")));
    }
    ContentType::parse(text)
        .map_err(|_| invalid(format!("`{field}` is no content type: `{text}`; write it like application/pdf")))
}

fn too_large(what: &str, size: usize, most: usize) -> NodeError {
    let message = format!("{what} come to {size} bytes, and at most {most} are sent; send a link to the rest");
    NodeError::fatal("EMAIL_TOO_LARGE", message)
}

fn unmade(fault: impl std::fmt::Display) -> NodeError {
    invalid(format!("the message cannot be made: {fault}"))
}

//! What parent and child say to each other: a length of four bytes, then JSON.

use std::io::{self, Read, Write};

use flowforge_core::node::NodeError;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The largest request: code and everything that it sees.
pub(super) const LARGEST_REQUEST: usize = 64 << 20;

/// What the code is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Mode {
    /// The body of a function; its `return` is the value.
    Body,
    /// One expression.
    Expression,
    /// One expression for each of `items`; the value says for each whether it is true.
    Filter,
}

/// What the child sees to itself; the parent and the kernel see to the rest.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Limits {
    /// The processor time of one evaluation, in seconds.
    pub(super) seconds: u64,
    /// The longest value, as JSON, in bytes.
    pub(super) output: usize,
}

#[derive(Serialize)]
struct Outgoing<'a, S> {
    mode: Mode,
    code: &'a str,
    limits: Limits,
    names: &'a S,
}

/// What the child reads.
#[derive(Deserialize)]
pub(super) struct Request {
    pub(super) mode: Mode,
    pub(super) code: String,
    pub(super) limits: Limits,
    pub(super) names: Value,
}

/// What the child answers when there is no value.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Fault {
    /// The code of the step's error.
    pub(super) code: String,
    /// What happened, and where.
    pub(super) message: String,
    /// The line in the author's code, from 1.
    pub(super) line: Option<u32>,
}

impl Fault {
    pub(super) fn new(code: &str, message: impl Into<String>) -> Self {
        Self { code: code.to_owned(), message: message.into(), line: None }
    }
}

/// A request as it is sent.
pub(super) fn request(mode: Mode, code: &str, limits: Limits, names: &impl Serialize) -> Result<Vec<u8>, NodeError> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, &Outgoing { mode, code, limits, names })
        .map_err(|fault| NodeError::fatal("SCRIPT_ERROR", format!("the script's names cannot be written as JSON: {fault}")))?;
    let length = bytes.len() - 4;
    if length > LARGEST_REQUEST {
        let message = format!("the script and what it sees are {length} bytes, {LARGEST_REQUEST} are allowed; hand it less");
        return Err(NodeError::fatal("INPUT_TOO_LARGE", message));
    }
    bytes[..4].copy_from_slice(&(u32::try_from(length).unwrap_or(u32::MAX)).to_be_bytes());
    Ok(bytes)
}

/// The first byte of an answer.
pub(super) const VALUE: u8 = b'v';
/// The first byte of an answer that is a fault.
pub(super) const FAULT: u8 = b'f';

/// Writes an answer: its JSON text as it stands, or a fault.
pub(super) fn answer(to: &mut impl Write, answer: &Result<String, Fault>) -> io::Result<()> {
    let (kind, text) = match answer {
        Ok(json) => (VALUE, json.clone()),
        Err(fault) => (FAULT, serde_json::to_string(fault)?),
    };
    let length = u32::try_from(text.len() + 1).map_err(io::Error::other)?;
    to.write_all(&length.to_be_bytes())?;
    to.write_all(&[kind])?;
    to.write_all(text.as_bytes())?;
    to.flush()
}

/// Reads a request; nothing when the parent has closed the pipe.
pub(super) fn read(from: &mut impl Read) -> io::Result<Option<Request>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Err(fault) if fault.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut body = vec![0; u32::from_be_bytes(length) as usize];
    from.read_exact(&mut body)?;
    serde_json::from_slice(&body).map(Some).map_err(io::Error::other)
}

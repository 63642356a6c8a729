//! Names become addresses, and only those that may be dialled are given out.

use std::{error::Error, fmt::Debug, io, net::IpAddr};

use flowforge_core::node::{BoxFuture, NodeError};

use super::policy::Denied;

/// What finds the addresses of a name.
pub(super) trait Names: Debug + Send + Sync {
    /// All addresses of a name, in the order in which they are to be tried.
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The machine's own resolver.
#[derive(Debug)]
pub(super) struct System;

impl Names for System {
    fn lookup(&self, host: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|found| found.ip()).collect()) })
    }
}

/// Why a host has no address to dial.
pub(super) type Unreachable = Box<dyn Error + Send + Sync>;

/// The addresses of a host that pass a check. A host whose addresses are all refused is refused.
pub(super) async fn resolve(
    names: &dyn Names,
    host: &str,
    check: impl Fn(IpAddr) -> Result<(), Denied>,
) -> Result<Vec<IpAddr>, Unreachable> {
    let found = match host.parse() {
        Ok(address) => vec![address],
        Err(_) => names.lookup(host.to_owned()).await?,
    };
    let (mut passed, mut refused) = (Vec::new(), None);
    for address in found {
        match check(address) {
            Ok(()) => passed.push(address),
            Err(denied) => refused = refused.or(Some(denied)),
        }
    }
    match refused {
        _ if !passed.is_empty() => Ok(passed),
        Some(denied) => Err(denied.into()),
        None => Err(format!("`{host}` has no address").into()),
    }
}

/// As a node tells it.
pub(super) fn told(host: &str, fault: Unreachable) -> NodeError {
    match fault.downcast::<Denied>() {
        Ok(denied) => (*denied).into(),
        Err(fault) => NodeError::retry("NETWORK_ERROR", format!("`{host}` cannot be found: {fault}")),
    }
}

/// Answers one after the other, the last one for ever: what a name server in the wrong hands does.
#[cfg(test)]
#[derive(Debug)]
pub(super) struct Scripted(std::sync::Mutex<Vec<Vec<IpAddr>>>);

#[cfg(test)]
impl Scripted {
    /// Answers in the order of the lines, each a list of addresses.
    pub(super) fn new(answers: &[&str]) -> std::sync::Arc<Self> {
        let read = |line: &&str| line.split(' ').map(|address| address.parse().unwrap()).collect();
        std::sync::Arc::new(Self(std::sync::Mutex::new(answers.iter().rev().map(read).collect())))
    }
}

#[cfg(test)]
impl Names for Scripted {
    fn lookup(&self, _: String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let mut left = self.0.lock().unwrap();
        let answer = if left.len() > 1 { left.pop() } else { left.last().cloned() };
        Box::pin(std::future::ready(Ok(answer.unwrap_or_default())))
    }
}

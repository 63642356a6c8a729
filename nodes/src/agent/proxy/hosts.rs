//! Which hosts a sandbox may reach, and how.

use std::str::FromStr;

use flowforge_core::{node::NodeError, secret::HostPattern};

use crate::params::invalid;

/// The hosts that a sandbox may reach: nothing by default.
///
/// - `crates.io`, `*.crates.io`, `git.example.org:8443`: tunnels, to port 443 unless another one is named.
/// - `GET registry.npmjs.org`: nothing but reading. A client is told the address `http://registry.npmjs.org/`; the proxy reads
///   `https://…` for it, so that nothing can be published there.
/// - `http://archive.example.org`: reading over plain HTTP, to port 80 unless another one is named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct HostList(Vec<Rule>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Rule {
    way: Way,
    host: HostPattern,
    port: u16,
}

/// How a host may be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// By a tunnel, through which anything passes.
    Tunnel,
    /// By reading; the proxy speaks TLS.
    Read,
    /// By reading without TLS.
    ReadPlain,
}

impl HostList {
    /// Reads a list as its author writes it.
    ///
    /// # Errors
    /// `INVALID_PARAMETER` names the entry that is none.
    pub(crate) fn new<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, NodeError> {
        let read = |entry: &str| {
            let odd = || {
                let shape = "write it like example.org, *.example.org, example.org:8443, GET example.org or http://example.org";
                invalid(format!("`{}` is no host that an agent may reach; {shape}", entry.escape_debug()))
            };
            entry.trim().parse::<Rule>().map_err(|()| odd())
        };
        let entries = entries.into_iter().filter(|entry| !entry.trim().is_empty());
        entries.map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a host and port may be reached in this way.
    pub(super) fn allows(&self, way: Way, host: &str, port: u16) -> bool {
        self.0.iter().any(|rule| rule.way == way && rule.port == port && rule.host.matches(host))
    }

    /// The way in which a host may be read, of which a client asks without TLS, and the port.
    pub(super) fn reading(&self, host: &str, port: u16) -> Option<(Way, u16)> {
        if self.allows(Way::ReadPlain, host, port) {
            return Some((Way::ReadPlain, port));
        }
        let secure = if port == 80 { 443 } else { port };
        self.allows(Way::Read, host, secure).then_some((Way::Read, secure))
    }
}

impl FromStr for Rule {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (way, rest, usual) = match (text.strip_prefix("GET "), text.strip_prefix("http://")) {
            (Some(rest), _) => (Way::Read, rest.trim().trim_start_matches("https://"), 443),
            (None, Some(rest)) => (Way::ReadPlain, rest, 80),
            (None, None) => (Way::Tunnel, text.trim_start_matches("https://"), 443),
        };
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        // An address of IPv6 has colons of its own.
        let named = rest.rsplit_once(':').filter(|(host, _)| !host.contains(':') || host.ends_with(']'));
        let (host, port) = match named {
            Some((host, port)) => (host, port.parse().ok().filter(|port| *port != 0).ok_or(())?),
            None => (rest, usual),
        };
        Ok(Self { way, host: host.parse().map_err(drop)?, port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_reached_in_the_way_and_at_the_port_that_is_listed() {
        let list = ["crates.io", "*.npmjs.org", "git.example.org:8443", "GET pypi.org", "http://deb.example.org", "[::1]:9000"];
        let list = HostList::new(list).unwrap();
        for (host, port, expected) in [
            ("crates.io", 443, true),
            ("CRATES.io", 443, true),
            ("crates.io", 80, false),
            ("static.crates.io", 443, false),
            ("evilcrates.io", 443, false),
            ("registry.npmjs.org", 443, true),
            ("npmjs.org", 443, false),
            ("git.example.org", 8443, true),
            ("git.example.org", 443, false),
            ("pypi.org", 443, false),
            ("deb.example.org", 443, false),
            ("::1", 9000, true),
            ("crates.io.evil.org", 443, false),
        ] {
            assert_eq!(list.allows(Way::Tunnel, host, port), expected, "{host}:{port}");
        }
        assert_eq!(list.reading("pypi.org", 80), Some((Way::Read, 443)));
        assert_eq!(list.reading("deb.example.org", 80), Some((Way::ReadPlain, 80)));
        assert_eq!((list.reading("crates.io", 80), list.reading("pypi.org", 8080)), (None, None));
    }

    #[test]
    fn what_is_no_host_is_named() {
        for entry in ["*", "*.org", "a b", "ftp://x.org", "x.org/path", "x.org:0", "x.org:99999", "POST x.org", "user@x.org"] {
            let fault = HostList::new(["crates.io", entry]).unwrap_err();
            assert!(fault.message.contains(entry), "{fault}");
        }
        assert_eq!(HostList::new(["", " "]), Ok(HostList::default()));
    }
}

//! Secrets: values that do not print themselves, the hosts that they may be sent to, and the check that nodes make before they
//! dial.

use std::{fmt, net::IpAddr, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use zeroize::Zeroizing;

use crate::node::NodeError;

/// The longest name of a host, in characters.
const LONGEST_HOST: usize = 253;
/// The longest part of it between two dots.
const LONGEST_LABEL: usize = 63;

/// A secret's value. It is neither printed nor serialised, and wiped from memory when it is dropped.
#[derive(Clone)]
pub struct SecretValue(Zeroizing<String>);

impl SecretValue {
    /// Takes a value over.
    pub fn new(value: String) -> Self {
        Self(Zeroizing::new(value))
    }

    /// The value itself, for where it is used.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(…)")
    }
}

/// A host that a secret may be sent to: `api.example.org`, an address, or `*.example.org` for every host below that one.
///
/// Compared whole, label by label and without regard to case; the host `example.org.` is another one than `example.org`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostPattern {
    /// One host, in lower case.
    Host(String),
    /// Every host below this one, which is in lower case.
    Below(String),
    /// One address.
    Address(IpAddr),
}

/// A text that is no host.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a host: write it like api.example.org, *.example.org or 192.0.2.7, without scheme, port and path, and in its \
     xn-- form if it is not ASCII"
)]
pub struct InvalidHost(String);

impl HostPattern {
    /// Whether a URL's host is meant. IPv6 addresses may stand in brackets.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Host(name) => host.eq_ignore_ascii_case(name),
            Self::Below(parent) => {
                let above = host.len().checked_sub(parent.len() + 1).and_then(|at| host.split_at_checked(at));
                above.is_some_and(|(labels, rest)| {
                    is_name(labels) && rest.strip_prefix('.').is_some_and(|rest| rest.eq_ignore_ascii_case(parent))
                })
            }
            Self::Address(address) => without_brackets(host).parse() == Ok(*address),
        }
    }
}

impl FromStr for HostPattern {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let invalid = || InvalidHost(text.chars().take(LONGEST_HOST).collect());
        if let Ok(address) = without_brackets(text).parse() {
            return Ok(Self::Address(address));
        }
        let name = text.to_ascii_lowercase();
        let ends_in_a_number = |name: &str| name.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
        match name.strip_prefix("*.") {
            // `*.org` would be half the world.
            Some(parent) if is_name(parent) && parent.contains('.') && !ends_in_a_number(parent) => {
                Ok(Self::Below(parent.to_owned()))
            }
            None if is_name(&name) && !ends_in_a_number(&name) => Ok(Self::Host(name)),
            _ => Err(invalid()),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(name) => f.write_str(name),
            Self::Below(parent) => write!(f, "*.{parent}"),
            Self::Address(address) => write!(f, "{address}"),
        }
    }
}

impl Serialize for HostPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for HostPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Labels of letters, digits, `-` and `_`, joined by single dots.
fn is_name(name: &str) -> bool {
    let label = |label: &str| {
        (1..=LONGEST_LABEL).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= LONGEST_HOST && name.split('.').all(label)
}

/// The secrets in an attempt's parameters that may only be sent to certain hosts, by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretHosts(Vec<(String, Vec<HostPattern>)>);

impl SecretHosts {
    /// Adds a secret; one with an empty list may be sent anywhere.
    pub fn bind(&mut self, secret: impl Into<String>, hosts: Vec<HostPattern>) {
        if !hosts.is_empty() {
            self.0.push((secret.into(), hosts));
        }
    }

    /// Whether everything may be sent anywhere.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Refuses a host that one of the secrets may not be sent to.
    ///
    /// # Errors
    /// `SECRET_HOST_DENIED`.
    pub fn check(&self, host: &str) -> Result<(), NodeError> {
        match self.0.iter().find(|(_, hosts)| !hosts.iter().any(|allowed| allowed.matches(host))) {
            None => Ok(()),
            Some((name, hosts)) => {
                let hosts: Vec<_> = hosts.iter().map(ToString::to_string).collect();
                let message = format!(
                    "the secret `{name}` may be sent to {} and not to `{}`; correct the address, or the hosts of the secret",
                    hosts.join(", "),
                    host.escape_debug()
                );
                Err(NodeError::fatal("SECRET_HOST_DENIED", message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// L8: by construction, since a test cannot look into memory that was given back.
    #[test]
    fn values_are_wiped_when_they_are_dropped() {
        fn wiped<T: zeroize::ZeroizeOnDrop>(_: &T) {}
        let SecretValue(value) = SecretValue::new("hush".to_owned());
        wiped(&value);
        assert_eq!(format!("{:?}", SecretValue(value)), "SecretValue(…)");
    }

    fn allowed(pattern: &str, host: &str) -> bool {
        let mut hosts = SecretHosts::default();
        hosts.bind("TOKEN", vec![pattern.parse().unwrap()]);
        hosts.check(host).is_ok()
    }

    #[test]
    fn a_host_is_compared_whole() {
        assert!(allowed("slack.com", "slack.com") && allowed("Slack.COM", "sLACK.com"));
        for host in
            ["evilslack.com", "slack.com.evil.io", "slack.com.", "api.slack.com", "slack.com:443", "x@slack.com", "slack.co", ""]
        {
            assert!(!allowed("slack.com", host), "{host}");
        }
    }

    #[test]
    fn a_star_stands_for_the_hosts_below() {
        assert!(allowed("*.slack.com", "api.slack.com") && allowed("*.slack.com", "A.b.SLACK.com"));
        for host in ["slack.com", ".slack.com", "evilslack.com", "api.slack.com.", "a..slack.com", "x/.slack.com", "-.slack.com"]
        {
            assert!(!allowed("*.slack.com", host), "{host}");
        }
    }

    #[test]
    fn addresses_are_compared_as_numbers() {
        assert!(allowed("127.0.0.1", "127.0.0.1") && allowed("[::1]", "[0:0:0:0:0:0:0:1]") && allowed("::1", "[::1]"));
        assert!(!allowed("127.0.0.1", "127.0.0.10") && !allowed("127.0.0.1", "[::ffff:127.0.0.1]"));
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for text in [
            "",
            "*",
            "*.org",
            "*.*.org",
            "a.*.org",
            "https://a.org",
            "a.org:443",
            "a.org/x",
            "a b.org",
            "a..org",
            ".a.org",
            "a.org.",
            "bücher.de",
            "1.2.3",
            "0x7f.1",
            "2130706433",
            "*.0.0.1",
            "a@b.org",
            "-a.org",
        ] {
            assert!(text.parse::<HostPattern>().is_err(), "{text}");
        }
        for text in ["localhost", "api.example.org", "*.example.org", "192.0.2.7", "xn--bcher-kva.de", "a_b.example.org"] {
            assert_eq!(text.parse::<HostPattern>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn every_secret_must_allow_the_host() {
        let mut hosts = SecretHosts::default();
        hosts.bind("ANY", Vec::new());
        assert!(hosts.is_empty() && hosts.check("a.org").is_ok());
        hosts.bind("A", vec![HostPattern::Host("a.org".to_owned())]);
        hosts.bind("B", vec![HostPattern::Host("b.org".to_owned())]);
        let denied = hosts.check("a.org").unwrap_err();
        assert!(denied.code == "SECRET_HOST_DENIED" && !denied.retryable && denied.message.contains("`B`"), "{denied}");
    }
}

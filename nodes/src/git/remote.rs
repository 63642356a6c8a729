//! A remote repository: its URL checked, its addresses pinned, its credential kept out of sight.

use base64::{Engine, prelude::BASE64_STANDARD};
use flowforge_core::node::{Context, NodeError};
use reqwest::Url;

use super::runner::Git;
use crate::egress::Egress;

/// Who a token belongs to when it comes without a user: the hosts that take tokens do not look.
const TOKEN_USER: &str = "x-access-token";

/// A remote that may be called.
pub(crate) struct Remote {
    url: Url,
    /// `curl`'s way to say: this host is at these addresses.
    pin: Option<String>,
    credential: Option<String>,
}

impl Remote {
    /// Checks a URL, what it leads to, and whether the attempt's secrets may go there.
    pub(crate) async fn open(url: &str, credential: Option<&str>, egress: &Egress, cx: &Context) -> Result<Self, NodeError> {
        let url = parse(url)?;
        cx.check_secret_host(url.host_str().unwrap_or_default())?;
        let destination = egress.destination(&url).await?;
        if url.scheme() == "http" && !destination.trusted {
            return Err(refused("plain http shows everybody the credential and the code; use https"));
        }
        let addresses: Vec<_> = destination.addresses.iter().map(|address| address.ip().to_string()).collect();
        let port = url.port_or_known_default().unwrap_or(443);
        let pin = url.domain().map(|host| format!("http.curloptResolve={host}:{port}:{}", addresses.join(",")));
        Ok(Self { pin, credential: credential.map(header).transpose()?, url })
    }

    pub(crate) fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Lets a call of git reach this remote and nothing else.
    pub(crate) fn allow(&self, git: Git) -> Git {
        let protocol = if self.url.scheme() == "http" { "http" } else { "https" };
        let git = git.protocol(protocol).args(self.pin.iter().flat_map(|pin| ["-c", pin]));
        match &self.credential {
            None => git,
            // Through the environment, since arguments can be read by everybody; and for this host only.
            Some(header) => git
                .env("GIT_CONFIG_COUNT", "1")
                .env("GIT_CONFIG_KEY_0", format!("http.{}/.extraHeader", self.url.origin().ascii_serialization()))
                .env("GIT_CONFIG_VALUE_0", header),
        }
    }
}

/// Only `https` and `http`, a host, and no credential: one in a URL would end up in the repository's configuration.
fn parse(text: &str) -> Result<Url, NodeError> {
    let text = text.trim();
    if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(refused("it holds a space or a control character"));
    }
    let url = Url::parse(text).map_err(|_| refused("it is not of the form https://host/path"))?;
    if !matches!(url.scheme(), "https" | "http") || !text.to_ascii_lowercase().starts_with("http") {
        return Err(refused("only https is allowed, and http where the operator allows the network"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refused("it holds a user or a password; put `user:password` or a token into `credential`"));
    }
    if url.host_str().is_none_or(str::is_empty) || url.fragment().is_some() || url.path() == "/" {
        return Err(refused("it must name a host and a path, and nothing after `#`"));
    }
    Ok(url)
}

fn header(credential: &str) -> Result<String, NodeError> {
    let credential = credential.trim();
    if credential.is_empty() || credential.chars().any(char::is_control) {
        return Err(NodeError::fatal("INVALID_PARAMETER", "`credential` is empty or holds a control character"));
    }
    let pair = if credential.contains(':') { credential.to_owned() } else { format!("{TOKEN_USER}:{credential}") };
    Ok(format!("Authorization: Basic {}", BASE64_STANDARD.encode(pair)))
}

fn refused(why: &str) -> NodeError {
    NodeError::fatal("GIT_URL_REFUSED", format!("the repository's URL is refused: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_web_addresses_pass() {
        for url in ["https://example.org/a/b.git", "http://10.0.0.1:81/x", "https://example.org/a%20b"] {
            assert!(parse(url).is_ok(), "{url}");
        }
        for url in [
            "ext::sh -c id",
            "ext::sh",
            "fd::17",
            "file:///etc",
            "/etc",
            "../repo",
            "git://h/x",
            "ssh://h/x",
            "git@h:x/y",
            "h:x",
            "-oProxyCommand=x",
            "--upload-pack=x",
            "https://u@h/x",
            "https://u:p@h/x",
            "https://:p@h/x",
            "https://h/x\ny",
            "https://h/x y",
            "https://",
            "https://h",
            "https://h/",
            "https://h/x#y",
            "ftp://h/x",
            "",
            "http::https://h/x",
        ] {
            assert_eq!(parse(url).unwrap_err().code, "GIT_URL_REFUSED", "{url:?}");
        }
    }

    #[test]
    fn a_token_gets_a_user_and_a_pair_is_left_alone() {
        assert_eq!(header("u:p").unwrap(), "Authorization: Basic dTpw");
        assert_eq!(header(" tok \n").unwrap(), format!("Authorization: Basic {}", BASE64_STANDARD.encode("x-access-token:tok")));
        assert!(header("a\nb").is_err() && header("  ").is_err());
    }
}

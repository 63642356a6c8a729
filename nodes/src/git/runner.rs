//! The one way in which git is run: fixed arguments, a scrubbed environment, and every way to run something else shut.

use std::{
    ffi::{OsStr, OsString},
    path::{Path, PathBuf},
    process::Stdio,
};

use flowforge_core::node::NodeError;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    process::Command,
};

use super::faults;
use crate::spawn::{Started, die_with_parent, spawn_group};

/// The most that is read of what git says; more is cut off.
const LONGEST_ANSWER: u64 = 64 << 20;

/// Given with every call, so that neither the repository's configuration nor its content makes git start a program or look
/// elsewhere. Symbolic links stay: builds need them, and git does not write through them. The four faults that `fsck` overlooks are
/// those of old but honest histories.
const HARDENING: [&str; 27] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.sshCommand=false",
    "core.pager=cat",
    "core.editor=true",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "core.autocrlf=false",
    "core.untrackedCache=false",
    "diff.external=",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "commit.gpgSign=false",
    "push.gpgSign=false",
    "gpg.program=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "credential.helper=",
    "protocol.allow=never",
    "http.followRedirects=false",
    "http.proxy=",
    "http.lowSpeedLimit=100",
    "http.lowSpeedTime=60",
    "transfer.fsckObjects=true",
    "fetch.fsck.zeroPaddedFilemode=ignore",
    "fetch.fsck.badTimezone=ignore",
    "fetch.fsck.missingSpaceBeforeDate=ignore",
];

const ENVIRONMENT: [(&str, &str); 12] = [
    ("HOME", "/nonexistent"),
    ("LC_ALL", "C.UTF-8"),
    ("TZ", "UTC"),
    ("GIT_CONFIG_NOSYSTEM", "1"),
    ("GIT_CONFIG_GLOBAL", "/dev/null"),
    ("GIT_ATTR_NOSYSTEM", "1"),
    ("GIT_TERMINAL_PROMPT", "0"),
    ("GIT_PROTOCOL_FROM_USER", "0"),
    ("GIT_EDITOR", "true"),
    ("GIT_LFS_SKIP_SMUDGE", "1"),
    ("GIT_NO_REPLACE_OBJECTS", "1"),
    ("GIT_ADVICE", "0"),
];

/// What the operator may have set so that git is found and trusts the right certificates.
const KEPT: [&str; 4] = ["PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO"];

/// One call of git.
pub(crate) struct Git {
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    folder: PathBuf,
    protocols: &'static str,
    stdin: Option<Vec<u8>>,
}

/// What git answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) code: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Git {
    /// A call that needs no repository.
    pub(crate) fn anywhere() -> Self {
        let hardening = HARDENING.iter().flat_map(|setting| ["-c", setting]).map(OsString::from);
        Self { args: hardening.collect(), env: Vec::new(), folder: "/".into(), protocols: "none", stdin: None }
    }

    /// A call on the repository of a work tree. Both are named, so that git asks nobody where they are and whose.
    pub(crate) fn at(tree: &Path) -> Self {
        let git = Self::anywhere().env("GIT_DIR", tree.join(".git")).env("GIT_WORK_TREE", tree);
        Self { folder: tree.to_owned(), ..git }
    }

    /// A call on the objects and refs of a work tree's repository, without its files: what lies in the tree has no say in it.
    pub(crate) fn objects(tree: &Path) -> Self {
        let repository = tree.join(".git");
        let git = Self::anywhere().env("GIT_DIR", &repository).args(["-c", "core.bare=true"]);
        Self { folder: repository, ..git }
    }

    pub(crate) fn args<I: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = I>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    pub(crate) fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    pub(crate) fn stdin(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(text.into());
        self
    }

    /// Opens the way to the network, by one protocol.
    pub(super) fn protocol(mut self, protocol: &'static str) -> Self {
        self.protocols = protocol;
        self
    }

    /// Runs git and hands out whatever it answers.
    pub(crate) async fn answer(self) -> Result<Answer, NodeError> {
        let unavailable = |fault: std::io::Error| NodeError::retry("GIT_UNAVAILABLE", format!("git could not be run: {fault}"));
        let mut command = Command::new("git");
        command.env_clear().envs(ENVIRONMENT).env("GIT_ALLOW_PROTOCOL", self.protocols);
        command.envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
        command.envs(self.env).args(self.args).current_dir(self.folder);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        die_with_parent(&mut command);
        // The group holds git's own helpers, which may be writing: they end with it when this is dropped.
        let Started { mut child, mut group } = spawn_group(command).await.map_err(unavailable)?;
        let (input, out, err) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let feed = async {
            if let (Some(mut input), Some(text)) = (input, self.stdin) {
                // It may answer without having read everything.
                input.write_all(&text).await.ok();
            }
        };
        let ((), stdout, stderr) = tokio::join!(feed, read(out), read(err));
        let status = child.wait().await.map_err(unavailable)?;
        group.forget();
        let stderr = String::from_utf8_lossy(&stderr.map_err(unavailable)?).into_owned();
        Ok(Answer { code: status.code().unwrap_or(-1), stdout: stdout.map_err(unavailable)?, stderr })
    }

    /// Runs git where nothing but success is expected.
    pub(crate) async fn run(self) -> Result<String, NodeError> {
        let answer = self.answer().await?;
        if answer.code != 0 {
            return Err(NodeError::retry(
                "GIT_FAILED",
                format!("git ended with {}: {}", answer.code, faults::said(&answer.stderr)),
            ));
        }
        Ok(String::from_utf8_lossy(&answer.stdout).trim_end().to_owned())
    }

    /// Runs git where a refusal means that there is nothing.
    pub(crate) async fn find(self) -> Result<Option<String>, NodeError> {
        let answer = self.answer().await?;
        let found = String::from_utf8_lossy(&answer.stdout).trim_end().to_owned();
        Ok((answer.code == 0 && !found.is_empty()).then_some(found))
    }
}

async fn read(from: Option<impl AsyncRead + Unpin>) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(mut from) = from {
        (&mut from).take(LONGEST_ANSWER).read_to_end(&mut bytes).await?;
        tokio::io::copy(&mut from, &mut tokio::io::sink()).await?;
    }
    Ok(bytes)
}

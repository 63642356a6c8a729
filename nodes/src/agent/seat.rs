//! Where an agent sits: the run's work tree, a desk and a home of its own, and a proxy as its only way out.

use std::{
    ffi::OsString,
    fs, io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use flowforge_core::{
    money::Micros,
    node::{Context, NodeError, Stream},
};
use serde_json::{Value, json};

use super::{
    HostList, Models, Proxy, ProxyConfig,
    session::{Desk, RECORD, Record, read_record, session_id},
};
use crate::{
    egress::Egress,
    git::{WorkTree, WorkTrees},
    sandbox::{Network, PROXY_ADDRESS, Program, Running, Sandbox, Task},
    services::Services,
};

/// How much of a diff is put out, in bytes.
const LONGEST_DIFF: usize = 512 << 10;
/// How many names of changed files are put out.
const NAMED: usize = 1_000;
/// Where files for the agent are inside.
const INSIDE: &str = "/opt/flowforge";
/// The name under which a conversation is left for other machines.
const CONVERSATION: &str = "conversation.jsonl";
/// The longest path that a unix socket can have, less some.
const LONGEST_SOCKET: usize = 100;

/// What seats are made of.
#[derive(Debug, Clone)]
pub(crate) struct Room {
    sandbox: Arc<Sandbox>,
    trees: Arc<WorkTrees>,
    egress: Arc<Egress>,
    models: Arc<Models>,
}

/// A seat, for as long as one attempt has it.
#[derive(Debug)]
pub(crate) struct Seat {
    room: Room,
    plain: bool,
    pub(crate) tree: WorkTree,
    pub(crate) desk: Desk,
}

/// What may be asked of the network, and who pays.
#[derive(Debug, Default)]
pub(crate) struct Access<'a> {
    /// The step's own key for the model's service; the operator's when absent.
    pub(crate) api_key: Option<&'a str>,
    /// Hosts that may be reached beside it.
    pub(crate) hosts: &'a [String],
    /// What all turns of the step may cost.
    pub(crate) budget: Option<Micros>,
    /// Whether it makes sense without a key.
    pub(crate) may_lack_key: bool,
}

/// One call of an agent's program.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) words: Vec<OsString>,
    pub(crate) stdin: Vec<u8>,
    pub(crate) env: Vec<(String, String)>,
    /// Files of this machine that it finds inside.
    pub(crate) files: Vec<(PathBuf, PathBuf)>,
}

impl Room {
    pub(crate) fn new(services: &Services) -> Self {
        Self { sandbox: services.sandbox(), trees: services.trees(), egress: services.egress(), models: services.models() }
    }

    /// Waits until nobody else uses the run's files, and takes the seat.
    pub(crate) async fn seat(&self, cx: &Context) -> Result<Seat, NodeError> {
        let plain = self.sandbox.is_plain().await?;
        if plain {
            // Nobody sees what it dials: a secret that is bound to hosts is for a sandbox.
            cx.check_secret_host("any host")?;
            let warning = "there is no sandbox here: this agent runs without one, as the operator allowed";
            cx.log.line(Stream::System, warning.to_owned()).await;
        }
        let tree = self.trees.open(cx).await?;
        let desk = Desk::open(tree.folder(), &cx.effect_key)?;
        Ok(Seat { room: self.clone(), plain, tree, desk })
    }
}

impl Seat {
    /// Opens the way out. Secrets in the parameters go nowhere but where they may be sent.
    pub(crate) async fn proxy(&self, access: Access<'_>, cx: &Context) -> Result<Proxy, NodeError> {
        let models = &self.room.models;
        let upstream = match models.upstream(access.api_key, cx) {
            // It may have no use for the model's service: then it is refused there.
            Err(_) if access.may_lack_key && access.api_key.is_none_or(str::is_empty) => models.upstream(Some("none"), cx)?,
            upstream => upstream?,
        };
        cx.check_secret_host(upstream.base_url.host_str().unwrap_or_default())?;
        for host in access.hosts {
            cx.check_secret_host(bare(host))?;
        }
        let config = ProxyConfig {
            socket: self.socket()?,
            upstream,
            prices: models.prices(),
            purse: cx.purse.clone(),
            step_cap: access.budget,
            step_key: cx.effect_key.to_string(),
            allow: HostList::new(access.hosts.iter().map(String::as_str))?,
            log: cx.log.clone(),
            egress: self.room.egress.clone(),
        };
        Proxy::start(config).await
    }

    /// In the run's folder, of which one step has the use at a time; when that is too deep for a socket, in a folder of its own among
    /// the system's temporary ones.
    fn socket(&self) -> Result<PathBuf, NodeError> {
        let here = self.tree.folder().join("proxy.sock");
        if here.as_os_str().len() <= LONGEST_SOCKET {
            return Ok(here);
        }
        let run = self.tree.folder().file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = std::env::temp_dir().join(format!("flowforge-{run}"));
        let made = match fs::DirBuilder::new().mode(0o700).create(&folder) {
            // Somebody else's folder cannot be shut: then this fails.
            Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => {
                fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))
            }
            made => made,
        };
        made.map(|()| folder.join("proxy.sock"))
            .map_err(|fault| NodeError::retry("PROXY_FAILED", format!("there is no place for the agent's proxy: {fault}")))
    }

    /// Where the model's service is for the agent.
    pub(crate) fn base_url(&self) -> String {
        format!("http://{PROXY_ADDRESS}")
    }

    /// Where a file of this machine is found by the agent.
    pub(crate) fn inside(&self, here: &Path, name: &str) -> PathBuf {
        if self.plain { here.to_owned() } else { PathBuf::from(INSIDE).join(name) }
    }

    /// Starts the agent. Whoever drops what is running ends everything inside.
    pub(crate) async fn start(&self, call: Call, cx: &Context) -> Result<Running, NodeError> {
        if let Some(user) = self.room.sandbox.owner(self.plain) {
            self.tree.give_to(user).await?;
        }
        let (socket, home) = (self.socket()?, self.desk.home());
        let name = format!("{}-{}", cx.effect_key, cx.attempt);
        let task = Task {
            program: Program::Exec { argv: call.words, stdin: call.stdin },
            folder: self.tree.folder(),
            tree: self.tree.path(),
            workdir: Path::new(""),
            env: environment(call.env, cx),
            network: Network::Proxy(&socket),
            home: Some(&home),
            read_only: if self.plain { Vec::new() } else { call.files },
            limits: self.room.sandbox.limits(),
            name: &name,
        };
        self.room.sandbox.start(&task, self.plain).await
    }

    /// Fetches the session as the step left it, wherever that was, unless what is here has gone further.
    pub(crate) async fn catch_up(&self, cx: &Context) -> Result<(), NodeError> {
        let fetched = self.desk.file("fetched.json");
        if !self.tree.attachment(cx, RECORD, &fetched).await? {
            return Ok(());
        }
        let (left, here) = (read_record(&fetched), self.desk.record());
        let has_gone_further =
            |left: &Record, here: &Record| left.calls > here.calls || (left.calls == here.calls && left != here);
        let left = left.filter(|left| here.is_none_or(|here| has_gone_further(left, &here)));
        let Some(left) = left else { return Ok(()) };
        let session = session_id(&cx.effect_key, left.number);
        let conversation = self.desk.conversation(&session)?;
        if self.tree.attachment(cx, CONVERSATION, &conversation).await? {
            if let Some(user) = self.room.sandbox.owner(self.plain) {
                self.desk.give_conversations(user)?;
            }
            cx.log.line(Stream::System, format!("session {session} was fetched from where it was left")).await;
        }
        self.desk.write(&left)
    }

    /// Leaves the files and the session for whoever goes on, on whichever machine that is. What is paid for is not lost because git
    /// cannot record it.
    pub(crate) async fn leave(&self, record: Option<&Record>, cx: &Context) -> Result<(), NodeError> {
        let (here, mut attachments) = (self.desk.file(RECORD), Vec::new());
        let conversation = record.and_then(|record| self.desk.found(&session_id(&cx.effect_key, record.number)));
        if record.is_some() && here.exists() {
            attachments.push((RECORD, &*here));
        }
        attachments.extend(conversation.as_deref().map(|path| (CONVERSATION, path)));
        match self.tree.leave(cx, &attachments).await {
            Err(fault) if !fault.retryable => {
                cx.log.line(Stream::System, format!("the files are not kept elsewhere: {}", fault.message)).await;
                Ok(())
            }
            left => left,
        }
    }

    /// What the step has changed: `{diff, changed_files, changed}`. What is paid for is not lost because git cannot record it.
    pub(crate) async fn changes(&self, before: Option<&str>, cx: &Context) -> Result<Value, NodeError> {
        let Some(before) = before else { return Ok(json!({"diff": null, "changed_files": [], "changed": 0})) };
        let now = match self.tree.snapshot().await {
            Ok(now) => now,
            Err(fault) if !fault.retryable => {
                cx.log.line(Stream::System, format!("there is no diff: {}", fault.message)).await;
                return Ok(json!({"diff": null, "changed_files": [], "changed": 0}));
            }
            Err(fault) => return Err(fault),
        };
        let changes = self.tree.changes(Some(before), &now).await?;
        let names: Vec<_> = changes.iter().take(NAMED).map(|change| change.path.as_str()).collect();
        let diff = self.tree.diff(before, &now, LONGEST_DIFF).await?;
        Ok(json!({"diff": diff, "changed_files": names, "changed": changes.len()}))
    }
}

fn environment(own: Vec<(String, String)>, cx: &Context) -> Vec<(String, String)> {
    let about = [
        ("CI".to_owned(), "true".to_owned()),
        ("FLOWFORGE_RUN".to_owned(), cx.run.to_string()),
        ("FLOWFORGE_EFFECT_KEY".to_owned(), cx.effect_key.to_string()),
    ];
    about.into_iter().chain(own).collect()
}

/// The host in an entry of a list such as `GET registry.npmjs.org` or `git.example.org:8443`.
fn bare(entry: &str) -> &str {
    let host = entry.trim().trim_start_matches("GET ").trim_start_matches("http://").trim().trim_end_matches('/');
    match host.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !host.ends_with(':') => host,
        _ => host,
    }
}

//! A session from where it stands to its next halt.

use std::{collections::HashSet, fs, io, os::unix::fs::PermissionsExt, path::Path};

use flowforge_core::{
    money::{Micros, Tokens},
    node::{Context, LogSink, NodeError, Outcome, Stream},
};

use super::{Params, pause};
use crate::{
    agent::{
        Proxy, ProxyReport,
        cli::{Arguments, Begin, Ended, Ending, Event, PINNED, Verdict, environment, events, verdict},
        seat::{Access, Call, Seat},
        session::{Desk, Record, session_id},
        transcript::{Listen, TRANSCRIPT, Transcript, follow, tell},
    },
    params::invalid,
};

/// How many sessions one attempt begins when they turn out to be unusable.
const SESSIONS: u32 = 3;
/// The largest `CLAUDE.md` that is passed on, in bytes.
const LARGEST_MANUAL: u64 = 256 << 10;

/// What is said to a session that goes on.
const GO_ON: &str = "You were interrupted, and now go on in the same conversation with the same files. A tool call whose result is \
    missing may or may not have had its effect: look before you repeat it. Go on with the task from where you were; do not begin anew.";
/// What is said, before the task, to a session that replaces one that was lost.
const INSTEAD: &str = "An earlier session that worked on the task below was lost. What it changed is still in the files: look at them \
    (`git status`, `git diff`) before you do anything, and keep what is good.\n\n";

/// What comes next.
pub(super) enum Next {
    /// The session has come to its end.
    Done(Box<Ending>),
    /// The step waits.
    Pause(Outcome),
}

/// The work of one attempt.
pub(super) struct Work<'a> {
    seat: &'a Seat,
    params: &'a Params,
    program: &'a Path,
    cx: &'a Context,
    record: Record,
}

impl<'a> Work<'a> {
    /// Takes up what was written down.
    pub(super) fn begin(seat: &'a Seat, params: &'a Params, program: &'a Path, cx: &'a Context) -> Self {
        let record = seat.desk.record().unwrap_or_else(|| Record { number: 1, ..Record::default() });
        Self { seat, params, program, cx, record }
    }

    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// Goes on to the next halt. Whoever stops waiting ends the agent; what was written down stays.
    pub(super) async fn go_on(&mut self) -> Result<Next, NodeError> {
        if let Some(ending) = self.record.ended.take_if(|ending| !ending.is_error) {
            return Ok(Next::Done(Box::new(ending)));
        }
        if self.record.is_short
            && let Some(shortage) = pause::still_short(&mut self.record, self.cx).await?
        {
            self.seat.desk.write(&self.record)?;
            return pause::for_money(shortage, self.cx).await.map(Next::Pause);
        }
        for _ in 0..SESSIONS {
            let (ended, report) = self.call().await?;
            match verdict(&ended) {
                Verdict::Done(ending) => return Ok(Next::Done(ending)),
                Verdict::Lost(said) => self.replace(&said).await?,
                stopped => return self.stopped(stopped, report).await,
            }
        }
        Err(NodeError::retry("AGENT_SESSION_LOST", format!("{SESSIONS} sessions could not be gone on with; see the log")))
    }

    async fn stopped(&mut self, verdict: Verdict, report: ProxyReport) -> Result<Next, NodeError> {
        if let Some(shortage) = report.shortage {
            self.record.is_short = true;
            self.seat.desk.write(&self.record)?;
            return pause::for_money(shortage, self.cx).await.map(Next::Pause);
        }
        match verdict {
            Verdict::Limited(quota) => {
                let (seen, told) = (report.quota, quota.resets_at());
                let limit = pause::Limit {
                    asked_at: seen.and_then(|quota| quota.asked_at),
                    resets_at: seen.and_then(|quota| quota.resets_at).or(told),
                    after: seen.and_then(|quota| quota.after),
                };
                let outcome = pause::for_limit(limit, &mut self.record, self.cx).await;
                self.seat.desk.write(&self.record)?;
                outcome.map(Next::Pause)
            }
            Verdict::Failed(fault) => Err(fault),
            Verdict::Done(ending) => Ok(Next::Done(ending)),
            Verdict::Lost(said) => Err(NodeError::retry("AGENT_SESSION_LOST", said)),
        }
    }

    async fn replace(&mut self, said: &str) -> Result<(), NodeError> {
        self.record.number += 1;
        let note = format!("the session cannot be gone on with ({said}); a new one goes on with its files");
        self.cx.log.line(Stream::System, note).await;
        self.seat.desk.write(&self.record)
    }

    /// Calls the program once. The session is written down before it begins, and its end before anybody is told.
    async fn call(&mut self) -> Result<(Ended, ProxyReport), NodeError> {
        let (seat, cx) = (self.seat, self.cx);
        let session = session_id(&cx.effect_key, self.record.number);
        let begin = if seat.desk.found(&session).is_some() { Begin::Again } else { Begin::Anew };
        seat.desk.tidy()?;
        let system_prompt = self.system_prompt().await?;
        self.record.calls += 1;
        (self.record.ended, self.record.is_short) = (None, false);
        seat.desk.write(&self.record)?;
        let access = Access {
            api_key: Some(&self.params.api_key),
            hosts: &self.params.hosts,
            budget: self.params.budget(),
            may_lack_key: false,
        };
        let proxy = seat.proxy(access, cx).await?;
        let call = self.prepare(&session, begin, system_prompt, &proxy)?;
        let note = if begin == Begin::Again { "goes on" } else { "begins" };
        cx.log.line(Stream::System, format!("session {session} {note}")).await;
        let running = seat.start(call, cx).await?;
        let lost = |fault: io::Error| NodeError::retry("AGENT_LOST", format!("the agent could not be followed: {fault}"));
        let mut transcript = Transcript::open(&seat.desk.file(TRANSCRIPT)).map_err(lost)?;
        let before = (self.record.spent, self.record.tokens);
        let mut listener = Listener {
            record: &mut self.record,
            desk: &seat.desk,
            proxy: &proxy,
            before,
            seen: HashSet::new(),
            ended: Ended::default(),
        };
        let (code, stderr) = follow(running, &*cx.log, &mut transcript, &mut listener).await.map_err(lost)?;
        let ended = Ended { code, stderr, ..std::mem::take(&mut listener.ended) };
        let report = proxy.close().await;
        count(&mut self.record, before, &report);
        seat.desk.write(&self.record)?;
        Ok((ended, report))
    }

    fn prepare(&self, session: &str, begin: Begin, system_prompt: bool, proxy: &Proxy) -> Result<Call, NodeError> {
        let (seat, params, record) = (self.seat, self.params, &self.record);
        let manual = seat.desk.file(SYSTEM_PROMPT);
        let (program, manual_inside) = (seat.inside(self.program, "claude"), seat.inside(&manual, SYSTEM_PROMPT));
        let (tools, allowed) = (params.tools(), params.allowed());
        let left = params.budget().map(|budget| budget.less(record.spent).max(Micros(1)));
        let arguments = Arguments {
            program: &program,
            session,
            begin,
            model: params.model.as_deref(),
            tools: &tools,
            allowed: &allowed,
            mode: params.permission_mode,
            max_turns: params.max_turns.map(|most| most.saturating_sub(u32::try_from(record.turns).unwrap_or(u32::MAX)).max(1)),
            budget: left,
            system_prompt: system_prompt.then_some(&*manual_inside),
            schema: params.output_schema.as_ref(),
        };
        let prompt = match (begin, record.number) {
            (Begin::Again, _) => GO_ON.to_owned(),
            (Begin::Anew, 1) => params.prompt.to_string(),
            (Begin::Anew, _) => format!("{INSTEAD}{}", params.prompt),
        };
        let mut files = vec![(self.program.to_owned(), program.clone())];
        files.extend(system_prompt.then_some((manual, manual_inside.clone())));
        let env = environment(&seat.base_url(), proxy.token());
        Ok(Call { words: arguments.words()?, stdin: prompt.into_bytes(), env, files })
    }

    /// Writes what is added to the program's own instructions into a file; whether there is anything.
    async fn system_prompt(&self) -> Result<bool, NodeError> {
        let mut text = self.params.system_prompt.trim().to_owned();
        if self.params.include_claude_md {
            match manual(self.seat.tree.path())? {
                Some(manual) => text = format!("{text}\n\n# The repository's CLAUDE.md\n\n{manual}"),
                None => self.cx.log.line(Stream::System, "the repository has no CLAUDE.md".to_owned()).await,
            }
        }
        if text.trim().is_empty() {
            return Ok(false);
        }
        let path = self.seat.desk.file(SYSTEM_PROMPT);
        let written = fs::write(&path, text).and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o644)));
        written
            .map_err(|fault| NodeError::retry("AGENT_FILES_FAILED", format!("the instructions could not be written: {fault}")))?;
        Ok(true)
    }
}

/// The file with the instructions.
const SYSTEM_PROMPT: &str = "system-prompt.md";

/// The repository's own instructions. A link is not followed: it may lead out of the repository.
fn manual(tree: &Path) -> Result<Option<String>, NodeError> {
    let path = tree.join("CLAUDE.md");
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_file() && found.len() <= LARGEST_MANUAL => {}
        Ok(_) => return Err(invalid(format!("`CLAUDE.md` is not a plain file of at most {LARGEST_MANUAL} bytes"))),
        Err(_) => return Ok(None),
    }
    let bytes = fs::read(&path).map_err(|fault| NodeError::retry("AGENT_FILES_FAILED", format!("`CLAUDE.md`: {fault}")))?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

/// Takes what a call has cost so far into the record.
fn count(record: &mut Record, (spent, tokens): (Micros, Tokens), report: &ProxyReport) {
    record.spent = spent.plus(report.cost);
    record.tokens = Tokens {
        input: tokens.input + report.tokens.input,
        output: tokens.output + report.tokens.output,
        cache_read: tokens.cache_read + report.tokens.cache_read,
        cache_write: tokens.cache_write + report.tokens.cache_write,
    };
    for host in &report.denied {
        if !record.denied_hosts.contains(host) {
            record.denied_hosts.push(host.clone());
        }
    }
}

/// Takes a session down while it runs.
struct Listener<'a> {
    record: &'a mut Record,
    desk: &'a Desk,
    proxy: &'a Proxy,
    /// What earlier calls have cost.
    before: (Micros, Tokens),
    /// The answers of this call.
    seen: HashSet<String>,
    ended: Ended,
}

impl Listen for Listener<'_> {
    async fn line(&mut self, line: &[u8], log: &dyn LogSink) -> io::Result<bool> {
        for event in events(line) {
            tell(&event, log).await;
            self.take(event, log).await?;
        }
        Ok(self.ended.ending.is_some())
    }
}

impl Listener<'_> {
    async fn take(&mut self, event: Event, log: &dyn LogSink) -> io::Result<()> {
        match event {
            Event::Began { version, .. } => {
                self.ended.has_begun = true;
                if version != PINNED {
                    let note = format!("this is Claude Code {version}; FlowForge was tried with {PINNED}");
                    log.line(Stream::System, note).await;
                }
            }
            Event::Answered(id) if self.seen.insert(id.clone()) => {
                self.record.turns += 1;
                self.write()?;
            }
            Event::Limited(quota) => self.ended.quota = Some(quota),
            Event::Ended(ending) => {
                self.record.ended = Some((*ending).clone());
                self.ended.ending = Some(*ending);
                self.write()?;
            }
            _ => {}
        }
        Ok(())
    }

    fn write(&mut self) -> io::Result<()> {
        count(self.record, self.before, &self.proxy.report());
        self.desk.write(self.record).map_err(io::Error::other)
    }
}

//! The session of a step: which it is, how far it came, and the home in which the agent keeps it.
//!
//! What is written down here is written before it counts: which session comes next, before it begins; how it ended, before anybody
//! is told. So an attempt that finds a record goes on with it, and nothing that was paid for is asked again.

use std::{
    fs, io,
    os::unix::fs::lchown,
    path::{Path, PathBuf},
};

use flowforge_core::{
    Timestamp,
    money::{Micros, Tokens},
    node::NodeError,
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::cli::Ending;

/// The name under which ids of sessions are made.
const SESSIONS: Uuid = Uuid::from_u128(0x6a1c_77e0_5b0e_5d53_9c1e_3f0d_a6c4_21b7);
/// The name of the record's file.
pub(crate) const RECORD: &str = "session.json";
/// Where Claude Code keeps conversations, in its home.
const CONVERSATIONS: &str = ".claude/projects";

/// What is known of a step's session.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Record {
    /// Which session of the step it is, from 1: there is another one only when one cannot be used any more.
    pub(crate) number: u32,
    /// How often the program was called.
    pub(crate) calls: u32,
    /// How often it has waited for a limit to be lifted.
    pub(crate) waits: u32,
    /// Until when it last waited.
    pub(crate) waited_until: Option<Timestamp>,
    /// Whether it stopped for want of money, and how often money was looked for since.
    pub(crate) is_short: bool,
    pub(crate) looks: u32,
    /// What the calls have cost that are over, as far as anybody saw.
    pub(crate) spent: Micros,
    /// What they read and wrote.
    pub(crate) tokens: Tokens,
    /// The model's answers.
    pub(crate) turns: u64,
    /// Hosts that were asked for and denied.
    pub(crate) denied_hosts: Vec<String>,
    /// How it ended; nothing while it can go on.
    pub(crate) ended: Option<Ending>,
}

/// The folder of a step in which all this lies, beside the work tree.
#[derive(Debug)]
pub(crate) struct Desk {
    folder: PathBuf,
}

impl Desk {
    /// Opens the step's folder, and its home with it.
    pub(crate) fn open(run: &Path, effect_key: &str) -> Result<Self, NodeError> {
        let desk = Self { folder: run.join("agents").join(effect_key) };
        fs::create_dir_all(desk.home()).map_err(failed("made", &desk.home()))?;
        Ok(desk)
    }

    /// What the agent finds as its home.
    pub(crate) fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// A file of the step.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// What was written down; of a record that cannot be read, nothing.
    pub(crate) fn record(&self) -> Option<Record> {
        read_record(&self.file(RECORD))
    }

    /// Writes down, in one act.
    pub(crate) fn write(&self, record: &Record) -> Result<(), NodeError> {
        let (path, aside) = (self.file(RECORD), self.file("session.json.new"));
        let text = serde_json::to_vec(record).map_err(io::Error::other).map_err(failed("written", &path))?;
        let written = fs::File::create(&aside).and_then(|mut file| {
            io::Write::write_all(&mut file, &text)?;
            file.sync_data()
        });
        written.and_then(|()| fs::rename(&aside, &path)).map_err(failed("written", &path))
    }

    /// Takes away whatever in the home would tell the agent how to behave: the last call may have written it. Conversations stay.
    /// Nobody is at work in the home, so no name can be swapped for another meanwhile, and links are not followed.
    pub(crate) fn tidy(&self) -> Result<(), NodeError> {
        let home = self.home();
        let tidied = || -> io::Result<()> {
            for path in entries(&home)? {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if name.starts_with(".claude") && !(name == ".claude" && is_folder(&path)) {
                    remove(&path)?;
                }
            }
            for path in entries(&home.join(".claude"))? {
                if !(path.ends_with(CONVERSATIONS) && is_folder(&path)) {
                    remove(&path)?;
                }
            }
            Ok(())
        };
        tidied().map_err(failed("tidied", &home))
    }

    /// What the agent has written of a session, if it has written anything.
    pub(crate) fn found(&self, session: &str) -> Option<PathBuf> {
        let name = format!("{session}.jsonl");
        let folders = entries(&self.home().join(CONVERSATIONS)).unwrap_or_default();
        let mut files = folders.into_iter().filter(|folder| is_folder(folder)).map(|folder| folder.join(&name));
        files.find(|file| fs::symlink_metadata(file).is_ok_and(|found| found.is_file() && found.len() > 0))
    }

    /// Where the agent looks for a session's conversation when it works in a sandbox, in which the tree is always at the same place.
    /// Nothing that the agent has put there is in the way.
    pub(crate) fn conversation(&self, session: &str) -> Result<PathBuf, NodeError> {
        let folder = self.home().join(CONVERSATIONS).join("-workspace");
        let made = || -> io::Result<()> {
            for path in [self.home().join(".claude"), self.home().join(CONVERSATIONS), folder.clone()] {
                if !is_folder(&path) {
                    fs::remove_file(&path)
                        .or_else(|fault| if fault.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(fault) })?;
                    fs::create_dir(&path)?;
                }
            }
            Ok(())
        };
        made().map_err(failed("made", &folder))?;
        let file = folder.join(format!("{session}.jsonl"));
        if fs::symlink_metadata(&file).is_ok() {
            remove(&file).map_err(failed("removed", &file))?;
        }
        Ok(file)
    }

    /// Makes a user the owner of the conversations, without following links.
    pub(crate) fn give_conversations(&self, user: u32) -> Result<(), NodeError> {
        let folder = self.home().join(".claude");
        give(&folder, user).map_err(failed("handed over", &folder))
    }
}

/// The id of a step's session: the same whenever it is asked for.
pub(crate) fn session_id(effect_key: &str, number: u32) -> String {
    Uuid::new_v5(&SESSIONS, format!("{effect_key}/{number}").as_bytes()).to_string()
}

/// A record in a file; nothing when there is none, or none that can be read.
pub(crate) fn read_record(path: &Path) -> Option<Record> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

fn give(path: &Path, user: u32) -> io::Result<()> {
    lchown(path, Some(user), Some(user))?;
    if is_folder(path) {
        entries(path)?.into_iter().try_for_each(|path| give(&path, user))?;
    }
    Ok(())
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?.map(|entry| entry.map(|entry| entry.path())).collect(),
    }
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir())
}

fn remove(path: &Path) -> io::Result<()> {
    if is_folder(path) { fs::remove_dir_all(path) } else { fs::remove_file(path) }
}

fn failed(what: &str, path: &Path) -> impl FnOnce(io::Error) -> NodeError {
    let message =
        format!("`{}` of the agent's files could not be {what}", path.file_name().unwrap_or_default().to_string_lossy());
    move |fault| NodeError::retry("AGENT_FILES_FAILED", format!("{message}: {fault}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_session_has_the_same_id_whenever_it_is_asked_for() {
        assert_eq!(session_id("ff-1", 1), session_id("ff-1", 1));
        assert_ne!(session_id("ff-1", 1), session_id("ff-1", 2));
        assert_ne!(session_id("ff-1", 1), session_id("ff-2", 1));
        assert!(session_id("ff-1", 1).parse::<Uuid>().is_ok());
    }

    #[test]
    fn a_record_is_there_when_it_was_written_and_whole() {
        let folder = tempfile::tempdir().unwrap();
        let desk = Desk::open(folder.path(), "ff-1").unwrap();
        assert_eq!(desk.record(), None);
        let record = Record { number: 2, spent: Micros(7), ended: Some(Ending::default()), ..Record::default() };
        desk.write(&record).unwrap();
        assert_eq!(Desk::open(folder.path(), "ff-1").unwrap().record(), Some(record));
        fs::write(desk.file("session.json"), "{\"numb").unwrap();
        assert_eq!(desk.record(), None);
    }

    #[test]
    fn the_home_keeps_conversations_and_no_orders() {
        let (folder, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let desk = Desk::open(folder.path(), "ff-1").unwrap();
        let kept = desk.home().join(".claude/projects/-workspace");
        fs::create_dir_all(&kept).unwrap();
        fs::write(kept.join("s.jsonl"), "{}").unwrap();
        fs::write(kept.join("empty.jsonl"), "").unwrap();
        fs::write(outside.path().join("t.jsonl"), "{}").unwrap();
        symlink(outside.path(), desk.home().join(".claude/projects/link")).unwrap();
        symlink(outside.path(), desk.home().join(".claude/hooks")).unwrap();
        for name in [".claude/settings.json", ".claude.json", ".claude/CLAUDE.md", ".bashrc"] {
            fs::write(desk.home().join(name), "x").unwrap();
        }
        desk.tidy().unwrap();
        assert!(desk.found("s").is_some());
        assert!(["empty", "t", "u"].iter().all(|session| desk.found(session).is_none()));
        let left: Vec<_> = entries(&desk.home().join(".claude")).unwrap();
        assert_eq!(left, [desk.home().join(".claude/projects")]);
        assert!(desk.home().join(".bashrc").exists() && !desk.home().join(".claude.json").exists());
        assert!(outside.path().join("t.jsonl").exists(), "links are not followed");
        // A link in the place of the whole folder goes as well.
        fs::remove_dir_all(desk.home().join(".claude")).unwrap();
        symlink(outside.path(), desk.home().join(".claude")).unwrap();
        desk.tidy().unwrap();
        assert!(!desk.home().join(".claude").exists() && outside.path().join("t.jsonl").exists());
    }
}

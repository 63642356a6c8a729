//! Conflicts of a rebase: what collides, who has resolved it and how, and what was checked. They are kept as rows, so that a person
//! can look at them and answer, and nothing is asked of a model twice.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::node::{BoxFuture, NodeError};

/// How a conflict came to its resolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// By a rule that needs no judgement.
    Auto,
    /// By a model.
    Model,
    /// By a person.
    Person,
}

impl Method {
    /// The word used in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Model => "model",
            Self::Person => "person",
        }
    }
}

/// What collides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ConflictKind {
    /// Both sides changed the same lines.
    Content,
    /// Both sides added a file of this name.
    AddAdd,
    /// A file was given two names, or two files were given one.
    Rename,
    /// One side changed the file, the other one deleted it.
    ModifyDelete,
    /// One side renamed the file, the other one deleted it.
    RenameDelete,
    /// At least one side is no text in UTF-8.
    Binary,
    /// The sides differ in the ends of their lines.
    LineEndings,
    /// One side made the file executable, the other one did not.
    Mode,
    /// At least one side is a repository of its own.
    Submodule,
    /// At least one side is a symbolic link.
    Symlink,
    /// A file stands where the other side has a directory.
    DirectoryFile,
}

impl ConflictKind {
    /// The word used in the database and in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::AddAdd => "add_add",
            Self::Rename => "rename",
            Self::ModifyDelete => "modify_delete",
            Self::RenameDelete => "rename_delete",
            Self::Binary => "binary",
            Self::LineEndings => "line_endings",
            Self::Mode => "mode",
            Self::Submodule => "submodule",
            Self::Symlink => "symlink",
            Self::DirectoryFile => "directory_file",
        }
    }

    /// Whether it is about lines of text, which can be merged; else one side is taken whole.
    pub fn is_text(self) -> bool {
        matches!(self, Self::Content | Self::AddAdd | Self::LineEndings)
    }
}

/// A file as one side has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// Its mode in git's words, for example `100644`.
    pub mode: String,
    /// The id of its content.
    pub oid: String,
    /// How large it is, in bytes.
    pub size: u64,
    /// Its text; nothing when it is no text in UTF-8, or too large to show.
    pub text: Option<String>,
}

/// One file of one commit that cannot be brought together by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conflict {
    /// The commit that is replayed.
    pub commit: String,
    /// The path.
    pub path: String,
    /// What collides.
    pub kind: ConflictKind,
    /// The file before both changes; nothing when there was none.
    pub base: Option<Side>,
    /// As it is on the branch that is rebased onto; nothing when it is not there.
    pub ours: Option<Side>,
    /// As the replayed commit has it; nothing when it deleted it.
    pub theirs: Option<Side>,
}

impl Conflict {
    /// The same for the same collision: the commit, the path, and what its sides hold, in hex.
    pub fn key(&self) -> String {
        let side = |side: &Option<Side>| side.as_ref().map(|side| format!("{} {}", side.mode, side.oid)).unwrap_or_default();
        let parts = [&self.commit, &self.path, &side(&self.base), &side(&self.ours), &side(&self.theirs)];
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What becomes of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It holds this text.
    Content(String),
    /// It is as one side has it.
    Take(Take),
}

/// Which side is taken whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Take {
    /// As it is on the branch that is rebased onto; deleted when it is not there.
    Ours,
    /// As the replayed commit has it; deleted when it is not there.
    Theirs,
    /// The file is deleted.
    Delete,
}

/// A check of a resolution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What was checked, for example `syntax`.
    pub check: String,
    /// Whether it is as it should be.
    pub passed: bool,
    /// What was found.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// An attempt to resolve a conflict, or a person's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// In which way.
    pub method: Method,
    /// By what exactly: the rule's name, the model's, or who answered.
    pub by: String,
    /// What a model was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// What the file becomes; nothing when there was no answer that could be read.
    pub answer: Option<Answer>,
    /// Each check and what came of it.
    #[serde(default)]
    pub checks: Vec<Check>,
    /// Whether it is taken.
    pub accepted: bool,
}

/// A conflict with all that was tried to resolve it, oldest first. The last one counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// What collides.
    pub conflict: Conflict,
    /// What was tried.
    pub resolutions: Vec<Resolution>,
}

/// Where the conflicts of one step are written down.
pub trait Conflicts: Send + Sync {
    /// Writes down a conflict, which is one row however often it is said, and an attempt to resolve it, if there was one.
    fn record(&self, conflict: Conflict, resolution: Option<Resolution>) -> BoxFuture<'_, Result<(), NodeError>>;

    /// What was written down for this step so far, people's answers among it.
    fn recorded(&self) -> BoxFuture<'_, Result<Vec<Recorded>, NodeError>>;
}

/// Keeps nothing.
#[derive(Debug, Clone, Copy)]
pub struct Unrecorded;

impl Conflicts for Unrecorded {
    fn record(&self, _conflict: Conflict, _resolution: Option<Resolution>) -> BoxFuture<'_, Result<(), NodeError>> {
        Box::pin(async { Ok(()) })
    }

    fn recorded(&self) -> BoxFuture<'_, Result<Vec<Recorded>, NodeError>> {
        Box::pin(async { Ok(Vec::new()) })
    }
}

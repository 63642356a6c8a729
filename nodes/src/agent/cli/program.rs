//! Where Claude Code's program is on this machine.

use std::{
    env, fs,
    io::Read,
    path::{Path, PathBuf},
};

use flowforge_core::node::NodeError;

use super::PINNED;

/// Finds the program: where the operator says, or by the name `claude` on the path.
pub(crate) fn find(configured: Option<&Path>) -> Result<PathBuf, NodeError> {
    let named = configured.unwrap_or(Path::new("claude"));
    let found = if named.components().count() > 1 { named.is_file().then(|| named.to_owned()) } else { on_path(named) };
    let Some(path) = found.and_then(|path| fs::canonicalize(path).ok()) else {
        return Err(missing(&format!("there is no `{}`", named.display())));
    };
    if is_program(&path) {
        return Ok(path);
    }
    // In the sandbox there is this one file and nothing that lies beside it.
    let why = format!("`{}` is a script, or made for another machine; name the program that it starts", path.display());
    Err(missing(&why))
}

fn on_path(name: &Path) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file())
}

/// Whether a file is a program of this system, by its first bytes.
fn is_program(path: &Path) -> bool {
    let mut head = [0; 4];
    fs::File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == *b"\x7fELF"
}

fn missing(why: &str) -> NodeError {
    let message = format!(
        "Claude Code is not installed here: {why}. Install it on the machine of every worker, for example with `npm install --prefix \
         /opt/claude @anthropic-ai/claude-code@{PINNED}`, and give the path of its program as FLOWFORGE_CLAUDE"
    );
    NodeError::fatal("AGENT_NOT_INSTALLED", message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_and_anything_else_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let (script, link) = (folder.path().join("script"), folder.path().join("link"));
        fs::write(&script, "#!/bin/sh\n").unwrap();
        std::os::unix::fs::symlink("/bin/sh", &link).unwrap();
        assert_eq!(find(Some(&link)).unwrap(), fs::canonicalize("/bin/sh").unwrap());
        assert_eq!(find(Some(Path::new("sh"))).unwrap(), fs::canonicalize("/bin/sh").unwrap());
        for bad in [script.as_path(), folder.path(), Path::new("/nowhere/claude"), Path::new("no-such-claude")] {
            let fault = find(Some(bad)).unwrap_err();
            assert_eq!((&*fault.code, fault.retryable), ("AGENT_NOT_INSTALLED", false), "{}", bad.display());
            assert!(fault.message.contains("FLOWFORGE_CLAUDE") && fault.message.contains(PINNED), "{fault}");
        }
    }
}

//! What stands behind a path that collides.

use std::path::Path;

use flowforge_core::{
    conflict::{Conflict, ConflictKind, Side},
    node::NodeError,
};

use super::{
    commit::read_blob,
    merge::{Entry, Found},
    text,
};

/// The longest text that is shown, merged by rules and given to a model, in bytes.
const LONGEST_TEXT: usize = 512 << 10;

/// Reads the sides of a path and says more exactly what collides.
pub(super) async fn conflict(repository: &Path, commit: &str, found: &Found) -> Result<Conflict, NodeError> {
    let (base, ours, theirs) = (found.base.as_ref(), found.ours.as_ref(), found.theirs.as_ref());
    let (base, ours, theirs) = (side(repository, base).await?, side(repository, ours).await?, side(repository, theirs).await?);
    let all_text = [&base, &ours, &theirs].into_iter().flatten().all(|(_, is_text)| *is_text);
    let [base, ours, theirs] = [base, ours, theirs].map(|side| side.map(|(side, _)| side));
    let mut conflict = Conflict { commit: commit.to_owned(), path: found.path.clone(), kind: found.kind, base, ours, theirs };
    if conflict.kind.is_text() || conflict.kind == ConflictKind::Binary {
        conflict.kind = if all_text { kind(&conflict) } else { ConflictKind::Binary };
    }
    Ok(conflict)
}

/// A side, and whether it is text: git calls binary what holds a NUL, here it is whatever is no UTF-8 as well.
async fn side(repository: &Path, entry: Option<&Entry>) -> Result<Option<(Side, bool)>, NodeError> {
    let Some(Entry { mode, oid }) = entry.cloned() else { return Ok(None) };
    if mode == "160000" {
        return Ok(Some((Side { mode, oid, size: 0, text: None }, false)));
    }
    let content = read_blob(repository, &oid).await?;
    let size = u64::try_from(content.len()).unwrap_or(u64::MAX);
    let text = String::from_utf8(content).ok().filter(|text| !text.contains('\0'));
    let is_text = text.is_some();
    let text = text.filter(|text| text.len() <= LONGEST_TEXT);
    Ok(Some((Side { mode, oid, size, text }, is_text)))
}

fn kind(conflict: &Conflict) -> ConflictKind {
    let sides = [&conflict.base, &conflict.ours, &conflict.theirs];
    let [base, ours, theirs] = sides.map(|side| text::plain(text_of(side)));
    let is_shown = sides.iter().all(|side| side.as_ref().is_some_and(|side| side.text.is_some()));
    match conflict.kind {
        _ if is_shown && (ours == theirs || base == ours || base == theirs) => ConflictKind::LineEndings,
        ConflictKind::Binary => ConflictKind::Content,
        kind => kind,
    }
}

/// Whether every side that is there can be shown.
pub(super) fn is_shown(conflict: &Conflict) -> bool {
    [&conflict.base, &conflict.ours, &conflict.theirs].into_iter().flatten().all(|side| side.text.is_some())
}

/// A side's text; empty when the file is not there.
pub(super) fn text_of(side: &Option<Side>) -> &str {
    side.as_ref().and_then(|side| side.text.as_deref()).unwrap_or_default()
}

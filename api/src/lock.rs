//! One process at a time in a data folder: two would each believe that the database is theirs alone.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    os::unix::fs::DirBuilderExt,
    path::Path,
};

use crate::failure::Failure;

/// Held as long as the process works in the folder; the kernel releases it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct DataLock {
    _file: File,
}

impl DataLock {
    /// Makes the folder when there is none, and claims it.
    ///
    /// # Errors
    /// When it cannot be written, or another process works in it.
    pub(crate) fn claim(folder: &Path) -> Result<Self, Failure> {
        let place = folder.display();
        make_folder(folder)?;
        let options = || OpenOptions::new().create(true).truncate(false).write(true).open(folder.join("lock"));
        let file = options().map_err(Failure::during(format!("the data folder {place} cannot be written")))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => {
                let advice = "stop that one, or choose another folder with --data-dir";
                Err(Failure(format!("another FlowForge process works in the data folder {place}; {advice}")))
            }
            Err(TryLockError::Error(cause)) => Err(Failure(format!("the data folder {place} cannot be locked: {cause}"))),
        }
    }
}

/// Makes the data folder, for this user only: it holds keys and whatever workflows work on.
///
/// # Errors
/// When it cannot be made.
pub(crate) fn make_folder(folder: &Path) -> Result<(), Failure> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(Failure::during(format!("the data folder {} cannot be made", folder.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_told_and_the_next_may_come() {
        let folder = tempfile::tempdir().unwrap();
        let first = DataLock::claim(folder.path()).unwrap();
        let told = DataLock::claim(folder.path()).unwrap_err().to_string();
        assert!(told.contains("another FlowForge process"), "{told}");
        drop(first);
        assert!(DataLock::claim(folder.path()).is_ok());
    }
}

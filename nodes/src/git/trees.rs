//! The work trees of runs: one folder each, used by one step at a time.

use std::{
    collections::HashMap,
    fs::{self, File, TryLockError},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, lchown},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use flowforge_core::{
    RunId,
    node::{Context, NodeError},
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Mutex as AsyncMutex, OwnedMutexGuard},
    task::spawn_blocking,
    time::sleep,
};

/// How often a lock that another process holds is tried.
const RETRY: Duration = Duration::from_millis(20);
/// The name of the record inside the repository that says where it came from.
const ORIGIN: &str = "flowforge.json";

/// What the names of new trees begin with.
const ASIDE: &str = "clone-";

/// The folder in which the work trees lie.
#[derive(Debug)]
pub(crate) struct WorkTrees {
    root: PathBuf,
    locks: Mutex<HashMap<RunId, Weak<AsyncMutex<()>>>>,
}

/// The work tree of a run, for as long as one step uses it.
#[derive(Debug)]
pub(crate) struct WorkTree {
    folder: PathBuf,
    tree: PathBuf,
    _file: File,
    _here: OwnedMutexGuard<()>,
}

/// Where a work tree came from: written before it is put in place, so a tree that is there has one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Origin {
    /// The step that cloned it.
    pub(crate) effect_key: String,
    /// Where it was cloned from.
    pub(crate) url: String,
    /// The branch that was checked out.
    pub(crate) branch: Option<String>,
    /// The commit that was checked out.
    pub(crate) commit: Option<String>,
}

impl WorkTrees {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, locks: Mutex::default() }
    }

    /// Waits until no other step uses the run's files, then opens them as the steps before have left them, on whichever machine
    /// that was.
    pub(crate) async fn open(&self, cx: &Context) -> Result<WorkTree, NodeError> {
        let tree = self.lock(cx.run).await?;
        tree.catch_up(cx).await?;
        Ok(tree)
    }

    /// Waits until no other step uses the run's files.
    async fn lock(&self, run: RunId) -> Result<WorkTree, NodeError> {
        let here = self.lock_of(run).lock_owned().await;
        let folder = self.folder(run);
        let tree = folder.join("tree");
        let file = lock_file(&folder).await.map_err(failed("opened", &folder))?;
        fs::create_dir_all(&tree).map_err(failed("made", &tree))?;
        Ok(WorkTree { folder, tree, _file: file, _here: here })
    }

    /// The runs that have files here.
    pub(crate) fn runs(&self) -> Result<Vec<RunId>, NodeError> {
        let entries = match fs::read_dir(&self.root) {
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed("read", &self.root))?,
        };
        // What has another name is no run's: a folder that is just being removed, or a stranger's file.
        Ok(entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect())
    }

    /// Removes a run's files.
    pub(crate) async fn remove(&self, run: RunId) -> Result<(), NodeError> {
        let folder = self.folder(run);
        if !folder.exists() {
            return Ok(());
        }
        let tree = self.lock(run).await?;
        let gone = self.root.join(format!("removed-{run}"));
        remove(gone.clone()).await.map_err(failed("removed", &gone))?;
        fs::rename(&folder, &gone).map_err(failed("removed", &folder))?;
        drop(tree);
        remove(gone.clone()).await.map_err(failed("removed", &gone))
    }

    fn folder(&self, run: RunId) -> PathBuf {
        // Git runs elsewhere and is told by path, so the path must not depend on where the server was started.
        std::path::absolute(&self.root).unwrap_or_else(|_| self.root.clone()).join(run.to_string())
    }

    fn lock_of(&self, run: RunId) -> Arc<AsyncMutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        locks.retain(|_, lock| lock.strong_count() > 0);
        if let Some(lock) = locks.get(&run).and_then(Weak::upgrade) {
            return lock;
        }
        let lock = Arc::new(AsyncMutex::new(()));
        locks.insert(run, Arc::downgrade(&lock));
        lock
    }
}

/// Takes the lock that other processes respect: a worker that lost the run may still be at work on it.
async fn lock_file(folder: &Path) -> io::Result<File> {
    loop {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        let path = folder.join("lock");
        let file = File::options().create(true).truncate(false).write(true).open(&path)?;
        match file.try_lock() {
            // The folder may have been removed while its lock was waited for.
            Ok(()) if fs::metadata(&path).is_ok_and(|found| found.ino() == file.metadata().map_or(0, |mine| mine.ino())) => {
                return Ok(file);
            }
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => sleep(RETRY).await,
            Err(TryLockError::Error(fault)) => return Err(fault),
        }
    }
}

impl WorkTree {
    /// The run's folder, which holds the tree and what belongs beside it.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The tree itself.
    pub(crate) fn path(&self) -> &Path {
        &self.tree
    }

    /// Where the tree came from; nothing when no repository was cloned.
    pub(crate) fn origin(&self) -> Option<Origin> {
        let text = fs::read(self.tree.join(".git").join(ORIGIN)).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// Makes sure that there is a repository, and takes away what a git that was killed left locked.
    pub(crate) fn repository(&self) -> Result<Origin, NodeError> {
        let origin = self.origin().ok_or_else(|| {
            NodeError::fatal("NO_WORK_TREE", "this run has no repository yet; put a git.clone step before this one")
        })?;
        let repository = self.tree.join(".git");
        unlock(&repository, false)
            .and_then(|()| unlock(&repository.join("refs"), true))
            .map_err(failed("unlocked", &repository))?;
        Ok(origin)
    }

    /// A place beside the tree for a new one. What earlier attempts left is removed as far as it can be: a helper of a git that was
    /// killed with its server may be writing there still, so the place has a name that nobody had before.
    pub(crate) async fn aside(&self) -> Result<PathBuf, NodeError> {
        static TAKEN: AtomicU64 = AtomicU64::new(0);
        let earlier = entries(&self.folder).map_err(failed("read", &self.folder))?;
        for path in
            earlier.into_iter().filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(ASIDE)))
        {
            remove(path).await.ok();
        }
        let mut names =
            std::iter::repeat_with(|| format!("{ASIDE}{}-{}", std::process::id(), TAKEN.fetch_add(1, Ordering::Relaxed)));
        let free = names.find_map(|name| Some(self.folder.join(name)).filter(|path| !path.exists()));
        free.ok_or_else(|| NodeError::retry("WORK_TREE_FAILED", "there is no name left for a new work tree"))
    }

    /// Puts a new tree in the place of the old one, its origin written down before.
    pub(crate) async fn put_in_place(&self, fresh: &Path, origin: &Origin) -> Result<(), NodeError> {
        let record = fresh.join(".git").join(ORIGIN);
        let text = serde_json::to_vec(origin).map_err(|fault| failed("written", &record)(fault.into()))?;
        fs::write(&record, text).map_err(failed("written", &record))?;
        remove(self.tree.clone()).await.map_err(failed("removed", &self.tree))?;
        fs::rename(fresh, &self.tree).map_err(failed("put in place", fresh))
    }

    /// Makes a user the owner of everything but the repository. Nobody else is at work on the tree, so no name can be swapped
    /// for another meanwhile, and links are not followed.
    pub(crate) async fn give_to(&self, user: u32) -> Result<(), NodeError> {
        let tree = self.tree.clone();
        let done = spawn_blocking(move || {
            lchown(&tree, Some(user), Some(user))?;
            entries(&tree)?.into_iter().filter(|path| !path.ends_with(".git")).try_for_each(|path| give(&path, user))
        });
        done.await.unwrap_or_else(|fault| Err(io::Error::other(fault))).map_err(failed("handed over", &self.tree))
    }
}

fn give(path: &Path, user: u32) -> io::Result<()> {
    let found = fs::symlink_metadata(path)?;
    if found.uid() != user {
        lchown(path, Some(user), Some(user))?;
    }
    if found.is_dir() {
        entries(path)?.into_iter().try_for_each(|path| give(&path, user))?;
    }
    Ok(())
}

fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path())).collect()
}

/// Removes the lock files of a git that is gone: who holds the tree's lock is the only one to run git there.
fn unlock(folder: &Path, deep: bool) -> io::Result<()> {
    for path in entries(folder)? {
        if path.extension().is_some_and(|ending| ending == "lock") {
            fs::remove_file(&path)?;
        } else if deep && fs::symlink_metadata(&path)?.is_dir() {
            unlock(&path, true)?;
        }
    }
    Ok(())
}

/// Removes a folder, also one whose files a command made unwritable. One that is not there is no fault.
async fn remove(path: PathBuf) -> io::Result<()> {
    let done = spawn_blocking(move || match fs::remove_dir_all(&path) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(fault) if fault.kind() == io::ErrorKind::PermissionDenied => open_up(&path).and_then(|()| fs::remove_dir_all(&path)),
        other => other,
    });
    done.await.unwrap_or_else(|fault| Err(io::Error::other(fault)))
}

fn open_up(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    for path in entries(folder)? {
        if fs::symlink_metadata(&path)?.is_dir() {
            open_up(&path)?;
        }
    }
    Ok(())
}

fn failed(what: &str, path: &Path) -> impl FnOnce(io::Error) -> NodeError {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let what = what.to_owned();
    move |fault| NodeError::retry("WORK_TREE_FAILED", format!("`{name}` of the run's files could not be {what}: {fault}"))
}

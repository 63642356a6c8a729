//! Values that are too large for a row. They lie in an object store, a folder or a bucket, and leave a reference in the row:
//! `{"$blob": key, "size", "sha256", "preview"}`.
//!
//! A value is written before the commit that names it. Its key begins with its workspace and its run and ends with a hash of what
//! it holds, so that a writer that was thought dead can only write the same bytes again. What was written and never named goes
//! with its run.

mod adopt;
mod fetch;
mod file;
mod keep;
mod list;
mod mark;

use std::{path::PathBuf, sync::Arc, time::Duration};

use flowforge_core::{RunId, Timestamp, WorkspaceId};
use futures::{StreamExt, TryStreamExt, stream::BoxStream};
use object_store::{
    ClientOptions, ObjectStore, ObjectStoreExt, RetryConfig, aws::AmazonS3Builder, local::LocalFileSystem, path::Path,
    prefix::PrefixStore,
};
use serde_json::Value;
use tokio::sync::Semaphore;

pub use self::mark::{shown, unmarked};
pub(crate) use self::{
    fetch::Opened,
    keep::{Origin, is_kept_as},
    list::Pages,
    mark::{Reference, is_mark, is_plain, marked},
};
use crate::{
    clock,
    error::{Error, Result},
    executor::roughly,
};

/// The largest value that stands in its row, as JSON, in bytes.
pub(crate) const INLINE: usize = 256 * 1024;
/// The largest value, as JSON, in bytes.
pub(crate) const LARGEST: usize = 64 * 1024 * 1024;
/// How much is held in memory at once, of all values that were fetched, as JSON, in bytes.
const ROOM: usize = 256 * 1024 * 1024;

/// The wait before a fault of the store is tried again; it doubles up to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest such wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How long the store may take over one request.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where large values lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlobConfig {
    /// A folder. Processes that share a database must share it too.
    Folder(PathBuf),
    /// A bucket of S3, or of what speaks its language. Credentials and region come from the usual `AWS_…` variables.
    S3 {
        /// `s3://bucket` or `s3://bucket/prefix`.
        url: String,
        /// Where the service is, for example `http://127.0.0.1:9000`; Amazon's own when absent.
        endpoint: Option<String>,
    },
}

/// The store of large values. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Blobs(Arc<Place>);

#[derive(Debug)]
struct Place {
    objects: Box<dyn ObjectStore>,
    folder: Option<PathBuf>,
    /// As many permits as kibibytes may be in memory.
    room: Arc<Semaphore>,
}

/// A large value on its way to whoever asked for it.
pub struct BlobStream {
    /// How many bytes there are.
    pub size: u64,
    /// The bytes: JSON.
    pub bytes: BoxStream<'static, Result<Vec<u8>>>,
}

impl std::fmt::Debug for BlobStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "BlobStream({} bytes)", self.size)
    }
}

impl Blobs {
    /// Opens the store. It is not asked yet whether it answers: see [`Blobs::check`].
    ///
    /// # Errors
    /// `BadInput` when the settings cannot be used, `Storage` when the folder cannot be made.
    pub fn open(config: &BlobConfig) -> Result<Self> {
        let (objects, folder) = match config {
            BlobConfig::Folder(folder) => (local(folder)?, Some(folder.clone())),
            BlobConfig::S3 { url, endpoint } => (bucket(url, endpoint.as_deref())?, None),
        };
        Ok(Self(Arc::new(Place { objects, folder, room: Arc::new(Semaphore::new(ROOM / 1024)) })))
    }

    /// Writes something, reads it and removes it.
    ///
    /// # Errors
    /// `Storage` when the store does not do its part.
    pub async fn check(&self) -> Result<()> {
        let path = Path::from(format!(".check-{}", clock::new_uuid().simple()));
        let objects = &self.0.objects;
        objects.put(&path, "flowforge".into()).await.map_err(failed)?;
        let read = objects.get(&path).await.map_err(failed)?.bytes().await.map_err(failed);
        objects.delete(&path).await.map_err(failed)?;
        if read? == "flowforge" { Ok(()) } else { Err(Error::Storage("the blob store gives back other bytes".to_owned())) }
    }

    /// The whole of a value, by its key.
    ///
    /// # Errors
    /// `NotFound` when there is none, or not for this workspace; `Storage` when the store does not do its part.
    pub(crate) async fn stream(&self, workspace: WorkspaceId, key: &str) -> Result<BlobStream> {
        let path = Path::parse(key).ok().filter(|_| mark::run_of(workspace, key).is_some()).ok_or(Error::NotFound("blob"))?;
        match self.0.objects.get(&path).await {
            Ok(found) => {
                let size = found.meta.size;
                Ok(BlobStream { size, bytes: found.into_stream().map_ok(|bytes| bytes.to_vec()).map_err(failed).boxed() })
            }
            Err(object_store::Error::NotFound { .. }) => Err(Error::NotFound("blob")),
            Err(fault) => Err(failed(fault)),
        }
    }

    /// Whose the values are, and since when they lie there, in no order. A value of nobody's is left out.
    pub(crate) fn owners(&self) -> BoxStream<'static, Result<(WorkspaceId, RunId, Timestamp)>> {
        let owner = |object: object_store::ObjectMeta| {
            let mut parts = object.location.parts();
            let workspace = parts.next()?.as_ref().parse().ok()?;
            let run = parts.next()?.as_ref().parse().ok()?;
            Some((workspace, run, Timestamp(object.last_modified.timestamp_millis())))
        };
        let objects = self.0.objects.list(None).map_err(failed);
        objects.try_filter_map(move |object| std::future::ready(Ok(owner(object)))).boxed()
    }

    /// Removes everything that was written for a run.
    pub(crate) async fn forget_run(&self, workspace: WorkspaceId, run: RunId) -> Result<()> {
        let prefix = Path::from_iter([workspace.to_string(), run.to_string()]);
        if let Some(folder) = &self.0.folder {
            let of_run = folder.join(prefix.as_ref());
            return match tokio::fs::remove_dir_all(of_run).await {
                Err(fault) if fault.kind() != std::io::ErrorKind::NotFound => Err(Error::Storage(fault.to_string())),
                _ => Ok(()),
            };
        }
        let found = self.0.objects.list(Some(&prefix)).map_ok(|object| object.location).boxed();
        self.0.objects.delete_stream(found).try_for_each(|_| async { Ok(()) }).await.map_err(failed)
    }
}

fn local(folder: &std::path::Path) -> Result<Box<dyn ObjectStore>> {
    let refused = |fault: &dyn std::fmt::Display| Error::Storage(format!("{} cannot be used: {fault}", folder.display()));
    std::fs::create_dir_all(folder).map_err(|fault| refused(&fault))?;
    let objects = LocalFileSystem::new_with_prefix(folder).map_err(|fault| refused(&fault))?;
    // What a commit names must be on disk before it.
    Ok(Box::new(objects.with_fsync(true)))
}

fn bucket(url: &str, endpoint: Option<&str>) -> Result<Box<dyn ObjectStore>> {
    let refused = |fault: object_store::Error| Error::BadInput(format!("the blob store {url} cannot be used: {fault}"));
    let place = url.strip_prefix("s3://").filter(|place| !place.starts_with('/') && !place.is_empty());
    let place = place.ok_or_else(|| Error::BadInput("the blob store must be s3://bucket or s3://bucket/prefix".to_owned()))?;
    // Whoever has chosen one before is right.
    rustls::crypto::ring::default_provider().install_default().ok();
    let (bucket, prefix) = place.split_once('/').unwrap_or((place, ""));
    let retry = RetryConfig { max_retries: 3, retry_timeout: PATIENCE, ..RetryConfig::default() };
    let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry);
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    let options = ClientOptions::new().with_timeout(PATIENCE).with_allow_http(true);
    let objects = builder.with_client_options(options).build().map_err(refused)?;
    Ok(match prefix.trim_matches('/') {
        "" => Box::new(objects),
        prefix => Box::new(PrefixStore::new(objects, Path::from(prefix))),
    })
}

/// Whether a value has its place in a row for certain. A look at it is cheaper than writing it out.
pub(crate) fn is_small(value: &Value) -> bool {
    roughly(value) <= INLINE / 8
}

/// What a fault of the store means for whoever can wait for it to pass.
fn failed(fault: object_store::Error) -> Error {
    Error::Storage(format!("the blob store failed: {fault}"))
}

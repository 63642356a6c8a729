//! Whole files beside the values: bundles of work trees, patches, sessions of agents. They belong to a run as its values do.

use std::{
    io::Read,
    path::{Path as FilePath, PathBuf},
};

use bytes::Bytes;
use flowforge_core::{RunId, WorkspaceId, files::KeptFile};
use futures::TryStreamExt;
use object_store::{ObjectStoreExt, PutPayload, WriteMultipart, path::Path};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Blobs, failed};
use crate::error::{Error, Result};

/// The largest file, in bytes.
const LARGEST_FILE: u64 = 4 << 30;
/// How much is in memory at once, in bytes; also the size of a part of an upload.
const PART: usize = 8 << 20;
/// How many parts are on their way at once.
const PARTS_AT_ONCE: usize = 2;

impl Blobs {
    /// Keeps a file. The same file kept again for its run is the same object.
    ///
    /// # Errors
    /// `Storage` when it cannot be read or the store does not do its part, `BadInput` when it is too large.
    pub(crate) async fn keep_file(&self, workspace: WorkspaceId, run: RunId, from: &FilePath) -> Result<KeptFile> {
        let (size, sha256) = digest(from.to_owned()).await?;
        if size > LARGEST_FILE {
            return Err(Error::BadInput(format!("a file has {size} bytes; the most is {LARGEST_FILE}")));
        }
        let path = Path::from_iter([workspace.to_string(), run.to_string(), "files".to_owned(), sha256.clone()]);
        let kept = KeptFile { key: path.to_string(), size, sha256 };
        match self.0.objects.head(&path).await {
            Ok(found) if found.size == size => Ok(kept),
            Ok(_) | Err(object_store::Error::NotFound { .. }) => self.upload(&path, from).await.map(|()| kept),
            Err(fault) => Err(failed(fault)),
        }
    }

    async fn upload(&self, path: &Path, from: &FilePath) -> Result<()> {
        let mut file = tokio::fs::File::open(from).await.map_err(|fault| unreadable(from, &fault))?;
        let mut first = part(&mut file).await.map_err(|fault| unreadable(from, &fault))?;
        if first.len() < PART {
            return self.0.objects.put(path, PutPayload::from_bytes(first)).await.map(drop).map_err(failed);
        }
        let mut upload = WriteMultipart::new_with_chunk_size(self.0.objects.put_multipart(path).await.map_err(failed)?, PART);
        while !first.is_empty() {
            upload.wait_for_capacity(PARTS_AT_ONCE).await.map_err(failed)?;
            upload.put(first);
            first = part(&mut file).await.map_err(|fault| unreadable(from, &fault))?;
        }
        upload.finish().await.map(drop).map_err(failed)
    }

    /// Fetches a file of this workspace that was kept. It is there whole or not at all.
    ///
    /// # Errors
    /// `NotFound` when it is gone, `Storage` when the store does not do its part or gives back something else.
    pub(crate) async fn fetch_file(&self, workspace: WorkspaceId, file: &KeptFile, to: &FilePath) -> Result<()> {
        let aside = to.with_extension("part");
        let mut out = tokio::fs::File::create(&aside).await.map_err(|fault| unreadable(&aside, &fault))?;
        let mut bytes = self.stream(workspace, &file.key).await?.bytes;
        let (mut hash, mut size) = (Sha256::new(), 0);
        while let Some(chunk) = bytes.try_next().await? {
            hash.update(&chunk);
            size += chunk.len() as u64;
            out.write_all(&chunk).await.map_err(|fault| unreadable(&aside, &fault))?;
        }
        out.sync_all().await.map_err(|fault| unreadable(&aside, &fault))?;
        if size != file.size || hex(hash) != file.sha256 {
            return Err(Error::Storage(format!("the blob store gives back another file for {}", file.key)));
        }
        tokio::fs::rename(&aside, to).await.map_err(|fault| unreadable(to, &fault))
    }
}

async fn part(file: &mut tokio::fs::File) -> std::io::Result<Bytes> {
    let mut bytes = Vec::with_capacity(PART);
    (&mut *file).take(PART as u64).read_to_end(&mut bytes).await?;
    Ok(bytes.into())
}

async fn digest(path: PathBuf) -> Result<(u64, String)> {
    let work = move || {
        let (mut file, mut hash, mut size) = (std::fs::File::open(&path)?, Sha256::new(), 0);
        let mut chunk = vec![0; 64 << 10];
        loop {
            match file.read(&mut chunk)? {
                0 => return Ok((size, hex(hash))),
                length => {
                    hash.update(&chunk[..length]);
                    size += length as u64;
                }
            }
        }
    };
    let done: std::io::Result<_> = tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other).and_then(|done| done);
    done.map_err(|fault| Error::Storage(format!("a file could not be read: {fault}")))
}

fn hex(hash: Sha256) -> String {
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unreadable(path: &FilePath, fault: &std::io::Error) -> Error {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Error::Storage(format!("the file `{name}` could not be read or written: {fault}"))
}

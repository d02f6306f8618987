//! Recordings: both directions of a call's sound, as Ogg Opus files. In a bucket they carry a tag: they lie among a
//! call's other documents, and may have to go sooner than those.

use std::path::Path;

use bytes::Bytes;
use calls::ids::AttemptId;
use object_store::{ObjectStore, PutMultipartOptions, PutOptions, PutPayload, TagSet};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::retry::unavailable;
use super::{CallFolders, StoreError, paths};

/// Up to this size a recording is put at once, above it in parts of this size. S3 wants parts of at
/// least 5 MiB; a quarter of an hour of speech is about 4 MB.
const PART_BYTES: usize = 8 << 20;

/// Which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recording {
    /// What the callee said.
    Callee,
    /// What the agent said.
    Agent,
}

impl Recording {
    /// Its file in the attempt's folder.
    pub fn file_name(self) -> &'static str {
        match self {
            Self::Callee => "callee.opus",
            Self::Agent => "agent.opus",
        }
    }
}

impl CallFolders {
    /// Copies a finished local file into the attempt's folder; the local file stays. One that is there
    /// already is replaced: only the holder of the permission to ring writes recordings.
    pub async fn put_recording(
        &self,
        attempt: &AttemptId,
        recording: Recording,
        local: &Path,
    ) -> Result<(), StoreError> {
        let path = paths::recording(attempt, recording.file_name());
        let local_failed = |error: std::io::Error| StoreError::Unavailable {
            path: path.to_string(),
            detail: format!("the local recording cannot be read: {error}"),
        };
        let mut file = File::open(local).await.map_err(local_failed)?;
        let first = read_part(&mut file).await.map_err(local_failed)?;
        if first.len() < PART_BYTES {
            let put = self.store.put_opts(&path, PutPayload::from(first), PutOptions::from(tags())).await;
            return put.map(drop).map_err(|error| unavailable(&path, &error));
        }
        let upload = self.store.put_multipart_opts(&path, PutMultipartOptions::from(tags())).await;
        let mut upload = upload.map_err(|error| unavailable(&path, &error))?;
        let mut part = first;
        while !part.is_empty() {
            if let Err(error) = upload.put_part(PutPayload::from(part)).await {
                // Parts of an upload that nobody completes cost money in S3.
                let _ = upload.abort().await;
                return Err(unavailable(&path, &error));
            }
            part = read_part(&mut file).await.map_err(local_failed)?;
        }
        upload.complete().await.map(drop).map_err(|error| unavailable(&path, &error))
    }
}

/// By which a bucket's lifecycle knows them. A directory has no tags, and leaves them out.
fn tags() -> TagSet {
    let mut tags = TagSet::default();
    tags.push("kind", "recording");
    tags
}

/// The next [`PART_BYTES`], or what is left.
async fn read_part(file: &mut File) -> std::io::Result<Bytes> {
    let mut part = Vec::new();
    file.take(PART_BYTES as u64).read_to_end(&mut part).await?;
    Ok(Bytes::from(part))
}

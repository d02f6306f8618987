//! Reading documents.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::documents::V;
use super::retry::{Pauses, may_pass, unavailable};
use super::{CallFolders, StoreError};

impl CallFolders {
    /// Reads one document; `None`: there is none.
    pub(super) async fn read<T: DeserializeOwned>(&self, path: &Path) -> Result<Option<T>, StoreError> {
        self.read_bytes(path).await?.map(|bytes| parse(path, &bytes)).transpose()
    }

    /// Is there such a document?
    pub(super) async fn exists(&self, path: &Path) -> Result<bool, StoreError> {
        Ok(self.read_bytes(path).await?.is_some())
    }

    /// Reads the bytes of one object, trying again while the store has a bad moment.
    pub(super) async fn read_bytes(&self, path: &Path) -> Result<Option<Bytes>, StoreError> {
        let mut pauses = Pauses::start();
        loop {
            let read = match self.store.get(path).await {
                Ok(found) => found.bytes().await,
                Err(error) => Err(error),
            };
            match read {
                Ok(bytes) => return Ok(Some(bytes)),
                Err(Error::NotFound { .. }) => return Ok(None),
                Err(error) if may_pass(&error) && pauses.pause().await => {}
                Err(error) => return Err(unavailable(path, &error)),
            }
        }
    }
}

/// Understands a document of a version that we know.
pub(super) fn parse<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, StoreError> {
    let unreadable = |error: serde_json::Error| StoreError::Unreadable {
        path: path.to_string(),
        detail: error.to_string(),
    };
    let value: Value = serde_json::from_slice(bytes).map_err(unreadable)?;
    understand(path, value)
}

/// Like [`parse`], from a value.
pub(super) fn understand<T: DeserializeOwned>(path: &Path, value: Value) -> Result<T, StoreError> {
    let version = value.get("v").cloned().unwrap_or(Value::Null);
    if version != V {
        return Err(StoreError::UnknownVersion { path: path.to_string(), version: version.to_string() });
    }
    serde_json::from_value(value)
        .map_err(|error| StoreError::Unreadable { path: path.to_string(), detail: error.to_string() })
}

//! Claims: put-if-absent with an owner. Whoever's nonce stands in the document holds it.

use bytes::Bytes;
use calls::ids::Nonce;
use object_store::path::Path;
use object_store::{Error, ObjectStoreExt as _, PutMode, PutOptions, PutPayload};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::read::understand;
use super::retry::{Pauses, may_pass, unavailable};
use super::{CallFolders, StoreError};

/// Who holds a claim.
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub enum Claimed<T> {
    /// We do: by this put, or by an earlier try of this very put.
    Ours,
    /// Somebody else does, and wrote this.
    Theirs(T),
}

impl<T> Claimed<T> {
    /// Do we hold it?
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Ours)
    }
}

impl CallFolders {
    /// Puts a document that carries its `owner`, if there is none yet, and says who holds it.
    pub(super) async fn claim<T>(&self, path: &Path, document: &T) -> Result<Claimed<T>, StoreError>
    where
        T: Serialize + DeserializeOwned,
    {
        let value = to_value(path, document)?;
        self.claim_value(path, value).await
    }

    /// The same for a document without an owner of its own: `owner` is written beside its fields.
    pub(super) async fn claim_owned<T>(
        &self,
        path: &Path,
        owner: &Nonce,
        document: &T,
    ) -> Result<Claimed<T>, StoreError>
    where
        T: Serialize + DeserializeOwned,
    {
        let mut value = to_value(path, document)?;
        value["owner"] = Value::from(owner.0.as_str());
        self.claim_value(path, value).await
    }

    /// Puts until the store says clearly who holds it.
    ///
    /// A put may fail although it got through, and the store may say "exists" for our own earlier try;
    /// only the owner that stands there counts. "Exists", and nothing there when it is read: S3 answers
    /// so (409) when two puts meet. Then the put is tried again.
    async fn claim_value<T: DeserializeOwned>(
        &self,
        path: &Path,
        value: Value,
    ) -> Result<Claimed<T>, StoreError> {
        let payload = Bytes::from(value.to_string());
        let mut pauses = Pauses::start();
        loop {
            let options = PutOptions::from(PutMode::Create);
            let refused = match self.store.put_opts(path, PutPayload::from(payload.clone()), options).await {
                Ok(_) => return Ok(Claimed::Ours),
                Err(error) => error,
            };
            let exists = matches!(refused, Error::AlreadyExists { .. } | Error::Precondition { .. });
            if exists && let Some(bytes) = self.read_bytes(path).await? {
                return who_holds(path, &bytes, &value);
            }
            if !may_pass(&refused) || !pauses.pause().await {
                return Err(unavailable(path, &refused));
            }
        }
    }
}

impl CallFolders {
    /// Puts a document that is no claim; one that is there is replaced.
    pub(super) async fn put<T: Serialize>(&self, path: &Path, document: &T) -> Result<(), StoreError> {
        let payload = Bytes::from(to_value(path, document)?.to_string());
        let mut pauses = Pauses::start();
        loop {
            match self.store.put(path, PutPayload::from(payload.clone())).await {
                Ok(_) => return Ok(()),
                Err(error) if may_pass(&error) && pauses.pause().await => {}
                Err(error) => return Err(unavailable(path, &error)),
            }
        }
    }
}

fn to_value<T: Serialize>(path: &Path, document: &T) -> Result<Value, StoreError> {
    serde_json::to_value(document)
        .map_err(|error| StoreError::Unreadable { path: path.to_string(), detail: error.to_string() })
}

fn who_holds<T: DeserializeOwned>(path: &Path, bytes: &[u8], ours: &Value) -> Result<Claimed<T>, StoreError> {
    let there: Value = serde_json::from_slice(bytes)
        .map_err(|error| StoreError::Unreadable { path: path.to_string(), detail: error.to_string() })?;
    // Whose it is can be told whatever the version; what it says cannot.
    match (there.get("owner"), ours.get("owner")) {
        (Some(there), Some(ours)) if there == ours => Ok(Claimed::Ours),
        _ => Ok(Claimed::Theirs(understand(path, there)?)),
    }
}

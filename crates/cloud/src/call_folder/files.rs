//! A call's folder file by file, for who shows or copies it.

use std::collections::BTreeMap;

use bytes::Bytes;
use calls::ids::CallKey;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use object_store::ObjectStore as _;

use super::{CallFolders, StoreError, paths, retry};

/// Files that are read side by side.
const AT_ONCE: usize = 16;

impl CallFolders {
    /// What lies in a call's folder, by its path in it such as `a1/outcome.json`; only what is `wanted`.
    ///
    /// # Errors
    /// When the store does not list them, or the first file that cannot be read.
    pub async fn files(
        &self,
        key: &CallKey,
        wanted: impl Fn(&str) -> bool,
    ) -> Result<BTreeMap<String, Bytes>, StoreError> {
        let folder = paths::call_folder(key);
        let listed =
            self.store.list(Some(&folder)).map_ok(|meta| meta.location).try_collect::<Vec<_>>().await;
        let listed = listed.map_err(|error| retry::unavailable(&folder, &error))?;
        let named = listed.into_iter().filter_map(|path| {
            let name: Vec<String> =
                path.prefix_match(&folder)?.map(|part| part.as_ref().to_owned()).collect();
            Some((name.join("/"), path))
        });
        let reads = named
            .filter(|(name, _)| wanted(name))
            .map(|(name, path)| async move { Ok((name, self.read_bytes(&path).await?)) });
        let read: Vec<(String, Option<Bytes>)> =
            stream::iter(reads.collect::<Vec<_>>()).buffer_unordered(AT_ONCE).try_collect().await?;
        // One that has gone meanwhile is not there.
        Ok(read.into_iter().filter_map(|(name, bytes)| Some((name, bytes?))).collect())
    }
}

//! Places: how many calls to a country are under way at once.
//!
//! Who begins a call puts `pace/<CC>/<key>-a<n>` first, and then counts. Of all that have begun, the last one to put its
//! own has counted all the others, so there are never more than may be. (S3 lists what it has acknowledged.)

use calls::ids::AttemptId;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};

use super::documents::{PlaceTaken, V};
use super::{CallFolders, Claimed, StoreError, draw_nonce, paths, retry};

impl CallFolders {
    /// Takes a place for this attempt among the calls of a country, of which there may be `at_once`; `false`: all
    /// places are taken. An attempt that has one keeps it.
    pub async fn take_place(
        &self,
        attempt: &AttemptId,
        country: &str,
        at_once: u32,
    ) -> Result<bool, StoreError> {
        let path = paths::place(country, attempt);
        let document = PlaceTaken { v: V, at: Timestamp::now() };
        let claimed = self.claim_owned(&path, &draw_nonce(), &document).await?;
        let mut places = self.places_of(country).await?;
        let at_once = usize::try_from(at_once).unwrap_or(usize::MAX);
        if places.len() <= at_once {
            return Ok(true);
        }
        if claimed == Claimed::Ours {
            self.delete(&path).await?;
            return Ok(false);
        }
        // A delivery that came to nothing had it before. Of several of these, the oldest go first.
        places.sort();
        Ok(places.iter().take(at_once).any(|(_, place)| *place == path))
    }

    /// Gives the attempt's place back; that it has none is fine.
    pub async fn leave_place(&self, attempt: &AttemptId, country: &str) -> Result<(), StoreError> {
        self.delete(&paths::place(country, attempt)).await
    }

    /// Every attempt that has a place, with its country (ISO 3166-1 alpha-2).
    pub async fn places(&self) -> Result<Vec<(String, AttemptId)>, StoreError> {
        let listed = self.listed(&paths::pace_folder()).await?;
        let of = |path: &Path| {
            let country = path.parts().nth(1)?.as_ref().to_owned();
            Some((country, path.filename()?.parse().ok()?))
        };
        Ok(listed.iter().filter_map(|(_, path)| of(path)).collect())
    }

    async fn places_of(&self, country: &str) -> Result<Vec<(Timestamp, Path)>, StoreError> {
        self.listed(&paths::pace_of(country)).await
    }

    pub(super) async fn listed(&self, folder: &Path) -> Result<Vec<(Timestamp, Path)>, StoreError> {
        let listed = self.store.list(Some(folder));
        let since = |meta: ObjectMeta| (changed(&meta), meta.location);
        let listed = listed.map_ok(since).try_collect().await;
        listed.map_err(|error| retry::unavailable(folder, &error))
    }

    pub(super) async fn delete(&self, path: &Path) -> Result<(), StoreError> {
        match self.store.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(retry::unavailable(path, &error)),
        }
    }
}

/// When an object was written.
pub(super) fn changed(meta: &ObjectMeta) -> Timestamp {
    Timestamp::from_millisecond(meta.last_modified.timestamp_millis()).unwrap_or(Timestamp::MIN)
}

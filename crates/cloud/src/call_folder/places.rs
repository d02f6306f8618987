//! Places: how many calls to a country are under way at once.
//!
//! Who begins a call puts `pace/<CC>/<key>-a<n>-<nonce6>` first, and then counts. Of all that have begun, the last one to
//! put its own has counted all the others, so there are never more than may be. (S3 lists what it has acknowledged.)

use std::collections::BTreeSet;

use calls::ids::AttemptId;
use futures_util::TryStreamExt as _;
use jiff::Timestamp;
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt as _};

use super::documents::{PlaceTaken, V};
use super::{CallFolders, StoreError, draw_nonce, paths, retry};

impl CallFolders {
    /// Takes a place for this attempt among the calls of a country, of which there may be `at_once`; `false`: all
    /// places are taken. An attempt that has one keeps it.
    pub async fn take_place(
        &self,
        attempt: &AttemptId,
        country: &str,
        at_once: u32,
    ) -> Result<bool, StoreError> {
        // Each delivery of a message has one of its own: what one takes back, another one may lean on.
        let nonce = draw_nonce();
        let path = paths::place(country, attempt, &nonce);
        drop(self.claim_owned(&path, &nonce, &PlaceTaken { v: V, at: Timestamp::now() }).await?);
        let mut places = self.listed(&paths::pace_of(country)).await?;
        places.sort();
        let at_once = usize::try_from(at_once).unwrap_or(usize::MAX);
        let holders: BTreeSet<AttemptId> = places.iter().filter_map(|(_, place)| holder(place)).collect();
        if holders.len() <= at_once {
            return Ok(true);
        }
        // A delivery that came to nothing may have left one. Of several of these, the oldest go first.
        let mut first = Vec::new();
        for holder in places.iter().filter(|(_, place)| *place != path).filter_map(|(_, place)| holder(place))
        {
            if !first.contains(&holder) {
                first.push(holder);
            }
        }
        let has_one = first.iter().take(at_once).any(|holder| holder == attempt);
        if !has_one {
            self.delete(&path).await?;
        }
        Ok(has_one)
    }

    /// Gives the attempt's place back; that it has none is fine.
    pub async fn leave_place(&self, attempt: &AttemptId, country: &str) -> Result<(), StoreError> {
        let places = self.listed(&paths::pace_of(country)).await?;
        for (_, place) in places.iter().filter(|(_, place)| holder(place).as_ref() == Some(attempt)) {
            self.delete(place).await?;
        }
        Ok(())
    }

    /// Every attempt that has a place, with its country (ISO 3166-1 alpha-2).
    pub async fn places(&self) -> Result<Vec<(String, AttemptId)>, StoreError> {
        let listed = self.listed(&paths::pace_folder()).await?;
        let of = |path: &Path| Some((path.parts().nth(1)?.as_ref().to_owned(), holder(path)?));
        let places: BTreeSet<_> = listed.iter().filter_map(|(_, path)| of(path)).collect();
        Ok(places.into_iter().collect())
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

/// Whose place it is.
fn holder(place: &Path) -> Option<AttemptId> {
    place.filename()?.rsplit_once('-')?.0.parse().ok()
}

/// When an object was written.
pub(super) fn changed(meta: &ObjectMeta) -> Timestamp {
    Timestamp::from_millisecond(meta.last_modified.timestamp_millis()).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use calls::ids::CallKey;

    use super::*;

    fn attempt(id: &str) -> AttemptId {
        AttemptId::new(CallKey::from_ids(None, None, id), 1)
    }

    #[tokio::test]
    async fn there_are_never_more_than_may_be_and_who_goes_leaves_room() {
        let folder = tempfile::tempdir().unwrap();
        let folders = CallFolders::in_directory(folder.path()).unwrap();
        let take = async |id: &str| folders.take_place(&attempt(id), "BR", 2).await.unwrap();
        assert!(take("1").await && take("2").await);
        assert!(!take("3").await && !take("4").await);
        assert_eq!(folders.places().await.unwrap().len(), 2, "who finds none leaves nothing behind");
        assert!(take("2").await, "a second delivery of the same message");
        assert!(folders.take_place(&attempt("3"), "CL", 2).await.unwrap(), "another country");
        folders.leave_place(&attempt("2"), "BR").await.unwrap();
        assert!(take("3").await && !take("2").await);
    }

    #[tokio::test]
    async fn deliveries_that_died_with_a_place_do_not_wait_for_each_other_for_ever() {
        let folder = tempfile::tempdir().unwrap();
        let folders = CallFolders::in_directory(folder.path()).unwrap();
        for id in ["1", "2"] {
            // As if each had been alone.
            assert!(folders.take_place(&attempt(id), "BR", 2).await.unwrap());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        assert!(!folders.take_place(&attempt("2"), "BR", 1).await.unwrap());
        assert!(folders.take_place(&attempt("1"), "BR", 1).await.unwrap());
    }
}

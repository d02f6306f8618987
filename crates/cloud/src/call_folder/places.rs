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

/// No delivery lives for so long between its place and its job, which makes the attempt a call under way.
const LONGEST_DELIVERY_SECONDS: i64 = 15 * 60;

impl CallFolders {
    /// Takes a place for this attempt among the calls of a country, of which there may be `at_once`; `false`: all
    /// places are taken.
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
        let places = self.listed(&paths::pace_of(country)).await?;
        let holders: BTreeSet<AttemptId> = places.iter().filter_map(|(_, place)| holder(place)).collect();
        if holders.len() <= usize::try_from(at_once).unwrap_or(usize::MAX) {
            return Ok(true);
        }
        self.delete(&path).await?;
        for place in died_with(attempt, &path, &places) {
            self.delete(place).await?;
        }
        Ok(false)
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

/// What deliveries of this attempt left that have come to nothing: they would wait for each other for ever.
fn died_with<'a>(attempt: &AttemptId, mine: &Path, places: &'a [(Timestamp, Path)]) -> Vec<&'a Path> {
    let Some((now, _)) = places.iter().find(|(_, place)| place == mine) else { return Vec::new() };
    let is_old = |since: &Timestamp| now.duration_since(*since).as_secs() > LONGEST_DELIVERY_SECONDS;
    let own = places.iter().filter(|(_, place)| holder(place).as_ref() == Some(attempt));
    own.filter(|(since, place)| place != mine && is_old(since)).map(|(_, place)| place).collect()
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
    use calls::plan::{CallPlan, Leg};
    use calls::profile::CountryProfile;
    use calls::settle::Follow;
    use calls::trigger::Tracking;

    use super::super::documents::{Job, Next};
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

    fn job(max_concurrent_calls: Option<u32>) -> Job {
        let profile = CountryProfile::from_json(
            r#"{"v":1,"country":"BR","livekit":{"url":"wss://a.example","trunkId":"ST_1","callerId":"+551130000000"},"agent":{"voice":"V"}}"#,
        );
        let plan = CallPlan {
            call_id: "c".to_owned(),
            leg: Leg::Inbound,
            profile: CountryProfile { max_concurrent_calls, ..profile.unwrap() },
            system_prompt: "p".to_owned(),
            greeting_message: None,
            tracking: Tracking::default(),
        };
        let (made_at, made_by) = (Timestamp::now(), "me".to_owned());
        Job {
            v: V,
            owner: draw_nonce(),
            plan,
            attempt: 1,
            made_by,
            made_at,
            deadline: made_at,
            traceparent: None,
        }
    }

    #[tokio::test]
    async fn a_place_is_given_back_with_the_end_where_calls_are_limited_and_not_looked_for_elsewhere() {
        let folder = tempfile::tempdir().unwrap();
        let folders = CallFolders::in_directory(folder.path()).unwrap();
        for (limit, left) in [(Some(2), 0), (None, 1)] {
            let ended = attempt(if left == 0 { "limited" } else { "not limited" });
            assert!(folders.take_place(&ended, "BR", 2).await.unwrap());
            assert!(folders.claim_job(&ended, &job(limit)).await.unwrap().is_ours());
            let next = Next { v: V, next: Follow::Nothing, at: Timestamp::now() };
            assert!(folders.claim_next(&ended, &next).await.unwrap().is_ours());
            folders.close_attempt(&ended).await.unwrap();
            assert_eq!(folders.places().await.unwrap().len(), left, "{limit:?}");
        }
    }

    #[test]
    fn what_a_delivery_left_that_died_goes_when_the_message_comes_again_much_later() {
        let (mine, nonces) = (attempt("1"), [draw_nonce(), draw_nonce(), draw_nonce(), draw_nonce()]);
        let [dead, alive, new, others] = &nonces;
        let at = |seconds: i64| Timestamp::from_second(1_795_000_000 + seconds).unwrap();
        let path = |attempt: &AttemptId, nonce| paths::place("BR", attempt, nonce);
        let places = [
            (at(0), path(&mine, dead)),
            (at(60), path(&mine, alive)),
            (at(901), path(&mine, new)),
            (at(0), path(&attempt("2"), others)),
        ];
        assert_eq!(died_with(&mine, &places[2].1, &places), [&places[0].1]);
        assert!(died_with(&mine, &places[0].1, &places).is_empty());
    }
}

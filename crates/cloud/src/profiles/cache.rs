//! When stored profiles are read again, and how long what was read is good for.

use std::sync::Arc;
use std::time::Duration;

use calls::profile::Profiles;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// What was read is used for so long without asking again.
const FRESH_FOR: Duration = Duration::from_secs(60);
/// Before a number is refused the tree is read once more, but not more often than this; nor is a store that has just
/// failed asked again sooner.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(5);
/// While the store cannot be reached, what was read is used for so long.
const USABLE_FOR: Duration = Duration::from_secs(15 * 60);
/// A store that does not answer by then has failed.
const READ_WITHIN: Duration = Duration::from_secs(4);

/// Profiles, and what went wrong on the way to them.
#[derive(Clone, Debug)]
pub struct Known {
    /// The profiles.
    pub profiles: Arc<Profiles>,
    /// The store cannot be reached: these are so many seconds old.
    pub stale: Option<(u64, String)>,
}

/// The last reading that worked, and the last that did not.
#[derive(Debug, Default)]
pub(super) struct Cache(Mutex<Last>);

#[derive(Debug, Default)]
struct Last {
    read: Option<(Instant, Arc<Profiles>)>,
    failed: Option<(Instant, String)>,
}

impl Cache {
    /// The profiles, read by `read` where that is due. With `fresh` a number would be refused otherwise, and what
    /// is old is no ground for that.
    pub(super) async fn get(
        &self,
        fresh: bool,
        read: impl AsyncFnOnce() -> Result<Profiles, String>,
    ) -> Result<Known, String> {
        // Held while reading: who comes meanwhile gets what was read.
        let mut last = self.0.lock().await;
        let keep_for = if fresh { READ_AGAIN_AFTER } else { FRESH_FOR };
        if let Some((_, profiles)) = last.read.as_ref().filter(|(at, _)| at.elapsed() < keep_for) {
            return Ok(Known { profiles: profiles.clone(), stale: None });
        }
        let detail = match last.failed.as_ref().filter(|(at, _)| at.elapsed() < READ_AGAIN_AFTER) {
            Some((_, detail)) => detail.clone(),
            None => match timeout(READ_WITHIN, read()).await {
                Ok(Ok(profiles)) => {
                    let profiles = Arc::new(profiles);
                    *last = Last { read: Some((Instant::now(), profiles.clone())), failed: None };
                    return Ok(Known { profiles, stale: None });
                }
                Ok(Err(detail)) => last.fails(detail),
                Err(_) => {
                    last.fails(format!("the profiles were not read within {} s", READ_WITHIN.as_secs()))
                }
            },
        };
        match last.read.as_ref().filter(|(at, _)| !fresh && at.elapsed() < USABLE_FOR) {
            Some((at, profiles)) => {
                Ok(Known { profiles: profiles.clone(), stale: Some((at.elapsed().as_secs(), detail)) })
            }
            None => Err(detail),
        }
    }
}

impl Last {
    fn fails(&mut self, detail: String) -> String {
        self.failed = Some((Instant::now(), detail.clone()));
        detail
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::Cell;

    use super::*;

    const WORKS: Result<(), &str> = Ok(());
    const FAILS: Result<(), &str> = Err("unreachable");

    /// A cache, and how often its store was asked.
    #[derive(Default)]
    struct Store {
        cache: Cache,
        reads: Cell<u32>,
    }

    impl Store {
        async fn get(&self, fresh: bool, answers: Result<(), &str>) -> Result<Known, String> {
            let read = async || {
                self.reads.set(self.reads.get() + 1);
                answers.map_err(str::to_owned)?;
                Profiles::new([]).map_err(|error| error.to_string())
            };
            self.cache.get(fresh, read).await
        }
    }

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_read_is_good_for_a_minute_and_before_a_refusal_for_five_seconds() {
        let store = Store::default();
        for (seconds, fresh, reads) in
            [(0, false, 1), (4, true, 1), (2, true, 2), (59, false, 2), (2, false, 3)]
        {
            pass(seconds).await;
            assert!(store.get(fresh, WORKS).await.unwrap().stale.is_none());
            assert_eq!(store.reads.get(), reads, "after {seconds} s more");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_fails_is_done_without_for_a_quarter_of_an_hour() {
        let store = Store::default();
        store.get(false, WORKS).await.unwrap();
        pass(61).await;
        let (age, detail) = store.get(false, FAILS).await.unwrap().stale.unwrap();
        assert_eq!((age, detail.as_str()), (61, "unreachable"));
        pass(15 * 60).await;
        assert_eq!(store.get(false, FAILS).await.unwrap_err(), "unreachable");
        pass(6).await;
        assert!(store.get(false, WORKS).await.unwrap().stale.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_old_is_a_ground_for_a_refusal() {
        let store = Store::default();
        store.get(false, WORKS).await.unwrap();
        pass(6).await;
        assert_eq!(store.get(true, FAILS).await.unwrap_err(), "unreachable");
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_has_just_failed_is_left_alone_for_five_seconds() {
        let store = Store::default();
        for _ in 0..10 {
            store.get(false, FAILS).await.unwrap_err();
        }
        assert_eq!(store.reads.get(), 1);
        pass(5).await;
        store.get(false, WORKS).await.unwrap();
        assert_eq!(store.reads.get(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_never_answers_has_failed() {
        let silent = async || std::future::pending().await;
        let detail = Cache::default().get(false, silent).await.unwrap_err();
        assert!(detail.contains("within 4 s"), "{detail}");
    }
}

//! How many calls to a country begin, and are under way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use calls::fact::NotNow;
use calls::ids::AttemptId;
use calls::routing::Place;
use cloud::call_folder::CallFolders;
use cloud::launch::Pace;

/// A message waits so long for its turn; one that would have to wait longer is put back. Meanwhile the messages of
/// other countries that came with it wait, too.
const LONGEST_WAIT: Duration = Duration::from_millis(500);

/// What a profile allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) at_once: Option<u32>,
    pub(crate) per_second: Option<f64>,
}

/// The pace of each country, as far as this process begins its calls.
#[derive(Debug)]
pub struct Paces {
    /// The routers that share every country's calls a second evenly.
    routers: f64,
    /// By country; a profile that changed its pace gets another one.
    by_country: Mutex<BTreeMap<String, (f64, Arc<Pace>)>>,
    /// By country: one message at a time asks for a place, or those of a batch would all be in each other's way.
    asking: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

impl Paces {
    /// For one of so many routers that share the calls of each country.
    pub fn shared_by(routers: f64) -> Self {
        Self { routers, by_country: Mutex::default(), asking: Mutex::default() }
    }

    /// Takes a place for this attempt, if its country has one.
    ///
    /// # Errors
    /// A sentence, when nobody could find out.
    pub(crate) async fn take(
        &self,
        folders: &CallFolders,
        attempt: &AttemptId,
        country: &str,
        limits: Limits,
    ) -> Result<Place, String> {
        // The turn first: one that is taken in vain is lost where nobody could begin anyway.
        if let Some(per_second) = limits.per_second
            && !self.pace_of(country, per_second).turn().await
        {
            return Ok(Place::NotNow { why: NotNow::TooManyPerSecond, wait: LONGEST_WAIT });
        }
        let Some(at_once) = limits.at_once else { return Ok(Place::Taken) };
        let asking = self.asking_for(country);
        let _turn = asking.lock().await;
        let taken = folders.take_place(attempt, country, at_once).await.map_err(|error| error.to_string())?;
        let full = Place::NotNow { why: NotNow::TooManyCalls, wait: Duration::ZERO };
        Ok(if taken { Place::Taken } else { full })
    }

    fn asking_for(&self, country: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut asking = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        asking.entry(country.to_owned()).or_default().clone()
    }

    fn pace_of(&self, country: &str, per_second: f64) -> Arc<Pace> {
        let mut paces = self.by_country.lock().unwrap_or_else(PoisonError::into_inner);
        match paces.get(country) {
            Some((known, pace)) if *known == per_second => pace.clone(),
            _ => {
                let pace = Arc::new(Pace::new(per_second / self.routers, LONGEST_WAIT));
                paces.insert(country.to_owned(), (per_second, pace.clone()));
                pace
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use calls::ids::CallKey;

    use super::*;

    async fn taken(paces: &Paces, folders: &CallFolders, country: &str, limits: Limits, calls: u8) -> usize {
        let asked = (0..calls).map(async |nth| {
            let attempt = AttemptId::new(CallKey::from_ids(None, None, &format!("{country}{nth}")), 1);
            paces.take(folders, &attempt, country, limits).await.unwrap()
        });
        let places = futures_util::future::join_all(asked).await;
        places.iter().filter(|place| **place == Place::Taken).count()
    }

    #[tokio::test]
    async fn a_batch_gets_all_the_places_there_are_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let folders = CallFolders::in_directory(folder.path()).unwrap();
        let limits = Limits { at_once: Some(5), per_second: None };
        assert_eq!(taken(&Paces::shared_by(1.0), &folders, "BR", limits, 10).await, 5);
        assert_eq!(taken(&Paces::shared_by(1.0), &folders, "CL", limits, 3).await, 3);
    }

    #[tokio::test(start_paused = true)]
    async fn routers_share_the_calls_of_a_second_and_keep_no_message_long() {
        let folder = tempfile::tempdir().unwrap();
        let folders = CallFolders::in_directory(folder.path()).unwrap();
        let paces = Paces::shared_by(2.0);
        let limits = Limits { at_once: None, per_second: Some(4.0) };
        let begun = tokio::time::Instant::now();
        let mut in_ten_seconds = 0;
        while begun.elapsed() < Duration::from_secs(10) {
            let asked = tokio::time::Instant::now();
            in_ten_seconds += taken(&paces, &folders, "BR", limits, 3).await;
            assert!(asked.elapsed() <= LONGEST_WAIT);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        assert!((18..=23).contains(&in_ten_seconds), "{in_ten_seconds} at half of four a second");
    }
}

//! How many calls to a country begin, and are under way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use calls::fact::NotNow;
use calls::ids::AttemptId;
use calls::routing::Place;
use cloud::call_folder::CallFolders;
use cloud::launch::Pace;

/// A message waits so long for its turn; one that would have to wait longer is put back.
const LONGEST_WAIT: Duration = Duration::from_secs(3);
/// A country whose places are all taken is asked again after this at the earliest.
const UNTIL_A_PLACE: Duration = Duration::from_secs(15);

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
}

impl Paces {
    /// For one of so many routers that share the calls of each country.
    pub fn shared_by(routers: f64) -> Self {
        Self { routers, by_country: Mutex::new(BTreeMap::new()) }
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
        let taken = folders.take_place(attempt, country, at_once).await.map_err(|error| error.to_string())?;
        let full = Place::NotNow { why: NotNow::TooManyCalls, wait: UNTIL_A_PLACE };
        Ok(if taken { Place::Taken } else { full })
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

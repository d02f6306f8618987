//! Finding calls: by day, by id, and where each stands in a few words.

use calls::ids::{AttemptId, CallKey};
use calls::outcome::Outcome;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::civil::Date;
use object_store::ObjectStore as _;

use super::documents::{ByDay, DialClaim, Job};
use super::{CallFolders, StoreError, paths, retry};

/// Documents that are read side by side.
const AT_ONCE: usize = 32;

/// Where a call's last attempt stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Brief {
    /// Which attempt.
    pub attempt: AttemptId,
    /// Who may ring, if anybody has said so.
    pub dial: Option<DialClaim>,
    /// How it ended, if it did.
    pub outcome: Option<Outcome>,
}

impl CallFolders {
    /// The calls that were accepted on a day (UTC), oldest first. Pointers that cannot be read are left out: they are
    /// written at best effort.
    ///
    /// # Errors
    /// When the store does not list them.
    pub async fn of_day(&self, day: Date) -> Result<Vec<ByDay>, StoreError> {
        let folder = paths::day_folder(day);
        let listed =
            self.store.list(Some(&folder)).map_ok(|meta| meta.location).try_collect::<Vec<_>>().await;
        let listed = match listed {
            Ok(listed) => listed,
            Err(object_store::Error::NotFound { .. }) => Vec::new(),
            Err(error) => return Err(retry::unavailable(&folder, &error)),
        };
        let reads = listed.iter().map(async |path| self.read::<ByDay>(path).await.ok().flatten());
        let mut found: Vec<ByDay> =
            stream::iter(reads).buffer_unordered(AT_ONCE).filter_map(async |pointer| pointer).collect().await;
        found.sort_by(|a, b| a.at.cmp(&b.at).then_with(|| a.key.as_str().cmp(b.key.as_str())));
        Ok(found)
    }

    /// Where these calls stand, in their order; `None`: no attempt of it was claimed.
    ///
    /// # Errors
    /// The first document that cannot be read.
    pub async fn briefs(&self, keys: &[CallKey]) -> Result<Vec<Option<Brief>>, StoreError> {
        stream::iter(keys.iter().map(async |key| self.brief(key).await)).buffered(AT_ONCE).try_collect().await
    }

    /// Where a call stands; `None`: no attempt of it was claimed.
    ///
    /// # Errors
    /// A document that cannot be read.
    pub async fn brief(&self, key: &CallKey) -> Result<Option<Brief>, StoreError> {
        let folders = self.list(&paths::call_folder(key)).await?.folders;
        let numbers = folders.iter().filter_map(|folder| folder.strip_prefix('a')?.parse::<u32>().ok());
        let Some(number) = numbers.max() else { return Ok(None) };
        let attempt = AttemptId::new(key.clone(), number);
        let outcome = self.outcome(&attempt).await?;
        let dial = self.dial_claim(&attempt).await?;
        Ok(Some(Brief { attempt, dial, outcome }))
    }

    /// A call's plan as its newest attempt has it.
    ///
    /// # Errors
    /// A document that cannot be read.
    pub async fn newest_job(&self, key: &CallKey) -> Result<Option<Job>, StoreError> {
        match self.brief(key).await? {
            Some(brief) => self.job(&brief.attempt).await,
            None => Ok(None),
        }
    }
}

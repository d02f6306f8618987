//! The call folder: ledger, claim check and flight recorder of a call in one, in an object store.
//!
//! Everything here rests on one assumption: the store keeps what it acknowledged and honours
//! put-if-absent. A directory does both (files are written aside, synced, and hard-linked into place);
//! so does S3 (`If-None-Match: *`).
//!
//! - [`paths`] – where each document lies;
//! - [`documents`] – what stands in them;
//! - claims – put-if-absent with an owner, and reading back who won;
//! - [`Standing`] – all of a call's folder at one look, for routing and settling;
//! - [`FactsWriter`] – what happened, in numbered segments, without ever holding up the caller;
//! - recordings.

mod bucket;
mod claim;
pub mod documents;
mod facts;
mod files;
mod find;
pub mod paths;
mod places;
mod read;
mod recording;
mod retry;
mod routing;
mod settling;
mod standing;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use calls::ids::{AttemptId, CallKey, Nonce};
use calls::outcome::Outcome;
use futures_util::TryStreamExt;
use jiff::Timestamp;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload};

pub use claim::Claimed;
use documents::{Back, ByDay, DialClaim, Job, Launched, Message, Next, Open};
pub use facts::{FactsReader, FactsWriter, RecordedFact};
pub use find::Brief;
pub use recording::Recording;
pub use routing::Signature;
pub use standing::{AttemptStanding, Standing};

/// How long one operation is tried again before it is given up.
const TRY_FOR: Duration = Duration::from_secs(10);

/// Why something could not be read or written. All of these mean "try again later"; none of them says
/// anything about who holds what.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The store did not do it. A write may have got through all the same.
    #[error("the call folder store failed at {path}: {detail}")]
    Unavailable {
        /// Which document.
        path: String,
        /// One sentence.
        detail: String,
    },
    /// There is something, and it is not what should be there.
    #[error("{path} in the call folder cannot be read: {detail}")]
    Unreadable {
        /// Which document.
        path: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Written by a version of this program that we do not know.
    #[error("{path} in the call folder has version {version}, which this program does not know")]
    UnknownVersion {
        /// Which document.
        path: String,
        /// Its `v`, as it stands there.
        version: String,
    },
    /// `open/` may not be removed: nobody has written what followed.
    #[error("{path} does not exist yet, so the attempt is still open")]
    NotSettled {
        /// The missing `next.json`.
        path: String,
    },
}

/// Draws a nonce: 32 hex digits. Draw one for every single claim, and keep it while that very claim is
/// tried again.
pub fn draw_nonce() -> Nonce {
    Nonce(format!("{:032x}", rand::random::<u128>()))
}

/// All call folders of a deployment. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CallFolders {
    store: Arc<dyn ObjectStore>,
}

impl CallFolders {
    /// Call folders in a directory, which is made if it is not there. What is acknowledged is on the
    /// disk: files and directories are synced.
    pub fn in_directory(directory: &Path) -> Result<Self, StoreError> {
        let failed =
            |detail: String| StoreError::Unavailable { path: directory.display().to_string(), detail };
        std::fs::create_dir_all(directory).map_err(|error| failed(error.to_string()))?;
        let store = LocalFileSystem::new_with_prefix(directory).map_err(|error| failed(error.to_string()))?;
        Ok(Self::over(Arc::new(store.with_fsync(true))))
    }

    /// Call folders in any store. Its put-if-absent must be switched on (S3: conditional put).
    pub fn over(store: Arc<dyn ObjectStore>) -> Self {
        Self { store }
    }

    /// The identity's claim: the message as received.
    pub async fn claim_message(
        &self,
        key: &CallKey,
        message: &Message,
    ) -> Result<Claimed<Message>, StoreError> {
        self.claim(&paths::message(key), message).await
    }

    /// An attempt's claim: what will be dialed.
    pub async fn claim_job(&self, attempt: &AttemptId, job: &Job) -> Result<Claimed<Job>, StoreError> {
        self.claim(&paths::job(attempt), job).await
    }

    /// The permission to ring (or, for a settler, that nobody may any more).
    pub async fn claim_dial(
        &self,
        attempt: &AttemptId,
        dial: &DialClaim,
    ) -> Result<Claimed<DialClaim>, StoreError> {
        self.claim(&paths::dial(attempt), dial).await
    }

    /// How the attempt ended: exactly one. `owner` is a nonce drawn for this outcome; an outcome that
    /// was there already is given back.
    pub async fn claim_outcome(
        &self,
        attempt: &AttemptId,
        owner: &Nonce,
        outcome: &Outcome,
    ) -> Result<Claimed<Outcome>, StoreError> {
        self.claim_owned(&paths::outcome(attempt), owner, outcome).await
    }

    /// What followed an attempt, written after it was done.
    pub async fn claim_next(&self, attempt: &AttemptId, next: &Next) -> Result<Claimed<Next>, StoreError> {
        self.claim_owned(&paths::next(attempt), &draw_nonce(), next).await
    }

    /// Notes that a task was launched. The first note stays.
    pub async fn note_launched(&self, attempt: &AttemptId, launched: &Launched) -> Result<(), StoreError> {
        self.claim_owned(&paths::launched(attempt), &draw_nonce(), launched).await.map(drop)
    }

    /// Notes that a delivery (by its SQS message id) was put back as the call's `nth` put-back, so that it is only
    /// acknowledged should it come again, and so are the put-backs before. The first note stays.
    pub async fn note_back(
        &self,
        attempt: &AttemptId,
        nth: u32,
        sqs_message_id: &str,
        back: &Back,
    ) -> Result<(), StoreError> {
        self.claim_owned(&paths::back(attempt, nth, sqs_message_id), &draw_nonce(), back).await.map(drop)
    }

    /// Marks an attempt as open, before its claim is tried; a mark that is there is renewed, so that nobody takes it
    /// for forsaken now. `false`: it is settled already (`next.json` is there) and must not be opened again; nothing
    /// was written.
    pub async fn open_attempt(&self, attempt: &AttemptId, open: &Open) -> Result<bool, StoreError> {
        if self.exists(&paths::next(attempt)).await? {
            return Ok(false);
        }
        self.put(&paths::open(attempt), open).await.map(|()| true)
    }

    /// Removes the mark of an open attempt and gives its place back, after reading its `next.json`. A mark that is gone is fine.
    ///
    /// # Errors
    /// [`StoreError::NotSettled`]: there is no `next.json`.
    pub async fn close_attempt(&self, attempt: &AttemptId) -> Result<Next, StoreError> {
        let path = paths::next(attempt);
        let next = self.read(&path).await?.ok_or(StoreError::NotSettled { path: path.to_string() })?;
        // First the place: without the mark nobody would come to give it back soon.
        let profile = self.job(attempt).await?.map(|job| job.plan.profile);
        if let Some(limited) = profile.filter(|profile| profile.max_concurrent_calls.is_some()) {
            self.leave_place(attempt, &limited.country).await?;
        }
        self.remove_open_mark(attempt).await?;
        Ok(next)
    }

    /// Removes the mark of an attempt that never came to a message. Only for the sweep, after an hour.
    pub async fn remove_open_mark(&self, attempt: &AttemptId) -> Result<(), StoreError> {
        self.delete(&paths::open(attempt)).await
    }

    /// Every attempt that is not settled. "Nothing left over" is this being empty.
    pub async fn open_attempts(&self) -> Result<Vec<AttemptId>, StoreError> {
        let mut attempts: Vec<AttemptId> =
            self.open_marks().await?.into_iter().map(|(attempt, _)| attempt).collect();
        attempts.sort();
        Ok(attempts)
    }

    /// The same in no order, with the time at which each was last marked.
    pub async fn open_marks(&self) -> Result<Vec<(AttemptId, Timestamp)>, StoreError> {
        let marks = self.listed(&paths::open_folder()).await?;
        Ok(marks.iter().filter_map(|(at, path)| Some((path.filename()?.parse().ok()?, *at))).collect())
    }

    /// Finds out whether there is a store that answers us, before somebody's call needs it. (To read a document does not
    /// tell: one that is not there and a bucket that is not there look alike.)
    pub async fn try_out(&self) -> Result<(), StoreError> {
        let folder = paths::open_folder();
        let first = self.store.list(Some(&folder)).try_next().await;
        first.map(drop).map_err(|error| retry::unavailable(&folder, &error))
    }

    /// A job as it was written, `None` if there is none.
    pub async fn job(&self, attempt: &AttemptId) -> Result<Option<Job>, StoreError> {
        self.read(&paths::job(attempt)).await
    }

    /// The permission to ring as it was written, `None` if nobody has taken it.
    pub async fn dial_claim(&self, attempt: &AttemptId) -> Result<Option<DialClaim>, StoreError> {
        self.read(&paths::dial(attempt)).await
    }

    /// How an attempt ended, `None` if nobody has said so yet.
    pub async fn outcome(&self, attempt: &AttemptId) -> Result<Option<Outcome>, StoreError> {
        self.read(&paths::outcome(attempt)).await
    }

    /// Writes the pointer by which people find a call by its day. Best effort: a failure is logged.
    pub async fn note_by_day(&self, key: &CallKey, pointer: &ByDay) {
        let path = paths::by_day(key, pointer.at);
        let Ok(bytes) = serde_json::to_vec(pointer) else { return };
        if let Err(error) = self.store.put(&path, PutPayload::from(bytes)).await {
            tracing::warn!(%path, %error, "the pointer by day could not be written");
        }
    }
}

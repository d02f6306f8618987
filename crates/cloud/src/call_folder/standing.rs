//! All of a call's folder at one look: what routing and settling decide by.

use std::sync::Arc;

use calls::ids::{AttemptId, CallKey};
use calls::outcome::{Outcome, OutcomeKind};
use calls::routing::{AttemptSeen, Folder, PutBacks, StoredMessage};
use calls::settle::{self, DialSeen, JobSeen};
use jiff::Timestamp;
use object_store::ObjectStore;
use object_store::path::Path;

use super::documents::{DialClaim, Job, Launched, Message, Next, Open};
use super::places::changed;
use super::retry::{Pauses, may_pass, unavailable};
use super::{CallFolders, StoreError, paths};

/// Where a call stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Standing {
    /// `message.json`; `None`: the identity is not claimed.
    pub message: Option<Message>,
    /// The attempts that have a folder, in order of their numbers.
    pub attempts: Vec<AttemptStanding>,
}

/// Where one attempt stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AttemptStanding {
    /// Which, from 1.
    pub number: u32,
    /// Since when `open/` is marked, or when its message was put back for the last time; `None`: it is not.
    pub open: Option<Timestamp>,
    /// `job.json`.
    pub job: Option<Job>,
    /// `launched.json`.
    pub launched: Option<Launched>,
    /// `dial.json`.
    pub dial: Option<DialClaim>,
    /// `outcome.json`.
    pub outcome: Option<Outcome>,
    /// `next.json`.
    pub next: Option<Next>,
    /// What was put back, by SQS message id.
    pub back: Arc<PutBacks>,
}

impl Standing {
    /// The last attempt, if there is one.
    pub fn last_attempt(&self) -> Option<&AttemptStanding> {
        self.attempts.last()
    }

    /// The attempt of this number.
    pub fn attempt(&self, number: u32) -> Option<&AttemptStanding> {
        self.attempts.iter().find(|attempt| attempt.number == number)
    }

    /// Has the call ended: does its last attempt's `next.json` say so?
    pub fn has_ended(&self) -> bool {
        let next = self.last_attempt().and_then(|attempt| attempt.next.as_ref());
        next.is_some_and(|next| next.next.ends_the_call())
    }

    /// Was the delivery of this SQS message put back?
    pub fn was_put_back(&self, sqs_message_id: &str) -> bool {
        self.attempts.iter().any(|attempt| attempt.back.holds(sqs_message_id))
    }
}

/// What routing wants to know of a call folder.
impl From<&Standing> for Folder {
    fn from(standing: &Standing) -> Self {
        let message = standing.message.as_ref().map(|message| StoredMessage {
            message_id: message.sqs_message_id.clone().unwrap_or_default(),
            body: message.body.clone().into_bytes(),
            sent_at: message.since,
        });
        let seen = |attempt: &AttemptStanding| AttemptSeen {
            job: attempt.job.is_some(),
            claim_by: attempt.job.as_ref().map(|job| job.deadline),
            launched: attempt.launched.is_some(),
            dial: attempt.dial.is_some(),
            outcome: attempt
                .outcome
                .as_ref()
                .map(|outcome| outcome.retryable || outcome.outcome == OutcomeKind::Deferred),
            next: attempt.next.as_ref().map(|next| next.next),
            put_back: Arc::clone(&attempt.back),
        };
        let attempts = standing.attempts.iter().map(|attempt| (attempt.number, seen(attempt))).collect();
        Self { message, attempts }
    }
}

/// What settling wants to know of it.
impl From<&Standing> for settle::Folder {
    fn from(standing: &Standing) -> Self {
        let dial = |dial: &DialClaim| DialSeen {
            task: dial.task.clone(),
            room: dial.room.clone(),
            agent_call_id: dial.agent_call_id.clone(),
            invite_by: dial.invite_by,
            deadline: dial.deadline,
            failed_before_dial: dial.failed_before_dial.clone(),
            decision: dial.decision.clone(),
        };
        let seen = |attempt: &AttemptStanding| settle::AttemptSeen {
            open: attempt.open,
            job: attempt.job.as_ref().map(|job| JobSeen { made_at: job.made_at, deadline: job.deadline }),
            launched: attempt.launched.is_some(),
            dial: attempt.dial.as_ref().map(dial),
            outcome: attempt.outcome.clone(),
            next: attempt.next.as_ref().map(|next| next.next),
        };
        let attempts = standing.attempts.iter().map(|attempt| (attempt.number, seen(attempt))).collect();
        Self { message: standing.message.is_some(), attempts }
    }
}

impl CallFolders {
    /// As [`look`](Self::look), with this attempt in it even where nothing of it is there but its mark in `open/`.
    pub async fn look_with(&self, attempt: &AttemptId) -> Result<Standing, StoreError> {
        let mut standing = self.look(&attempt.key).await?;
        if standing.attempt(attempt.number).is_none() {
            standing.attempts.push(self.look_at_attempt(attempt).await?);
            standing.attempts.sort_by_key(|attempt| attempt.number);
        }
        Ok(standing)
    }

    /// Reads where a call stands. What is written while this reads may be missing in it: decide by
    /// claims, not by this alone.
    pub async fn look(&self, key: &CallKey) -> Result<Standing, StoreError> {
        let message = self.read(&paths::message(key)).await?;
        let mut numbers: Vec<u32> = self
            .list(&paths::call_folder(key))
            .await?
            .folders
            .iter()
            .filter_map(|folder| folder.strip_prefix('a')?.parse().ok())
            .collect();
        numbers.sort_unstable();
        let mut attempts = Vec::with_capacity(numbers.len());
        for number in numbers {
            attempts.push(self.look_at_attempt(&AttemptId::new(key.clone(), number)).await?);
        }
        Ok(Standing { message, attempts })
    }

    async fn look_at_attempt(&self, attempt: &AttemptId) -> Result<AttemptStanding, StoreError> {
        // What comes last in an attempt's life is read first, so that a document seen here implies that
        // those before it are seen too.
        let next = self.read(&paths::next(attempt)).await?;
        let outcome = self.read(&paths::outcome(attempt)).await?;
        let dial = self.read(&paths::dial(attempt)).await?;
        let launched = self.read(&paths::launched(attempt)).await?;
        let job = self.read(&paths::job(attempt)).await?;
        let put_back = self.list(&paths::back_folder(attempt)).await?;
        let mut back = PutBacks::default();
        for (nth, message_id) in put_back.files.iter().filter_map(|file| paths::read_back(file)) {
            back.note(nth, message_id);
        }
        let open = self.read::<Open>(&paths::open(attempt)).await?;
        let open = open.map(|open| put_back.newest.map_or(open.at, |newest| newest.max(open.at)));
        Ok(AttemptStanding {
            number: attempt.number,
            open,
            job,
            launched,
            dial,
            outcome,
            next,
            back: Arc::new(back),
        })
    }

    /// The names of what lies directly in a folder; nothing if there is no such folder.
    pub(super) async fn list(&self, folder: &Path) -> Result<Listed, StoreError> {
        let mut pauses = Pauses::start();
        let listed = loop {
            match self.store.list_with_delimiter(Some(folder)).await {
                Ok(listed) => break listed,
                Err(object_store::Error::NotFound { .. }) => return Ok(Listed::default()),
                Err(error) if may_pass(&error) && pauses.pause().await => {}
                Err(error) => return Err(unavailable(folder, &error)),
            }
        };
        let name = |path: &Path| path.filename().map(str::to_owned);
        let newest = listed.objects.iter().map(changed).max();
        let mut files: Vec<(String, usize)> = listed
            .objects
            .iter()
            .filter_map(|meta| Some((name(&meta.location)?, usize::try_from(meta.size).ok()?)))
            .collect();
        files.sort();
        let (files, sizes) = files.into_iter().unzip();
        Ok(Listed { files, sizes, newest, folders: listed.common_prefixes.iter().filter_map(name).collect() })
    }
}

#[derive(Default)]
pub(super) struct Listed {
    pub(super) files: Vec<String>,
    /// In bytes, of each file.
    pub(super) sizes: Vec<usize>,
    /// When the newest of them was written.
    newest: Option<Timestamp>,
    pub(super) folders: Vec<String>,
}

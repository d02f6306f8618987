//! The flight recorder: facts, with their times, in numbered segments of one writer.

use std::collections::BTreeMap;
use std::time::Duration;

use calls::fact::Fact;
use calls::ids::{AttemptId, Nonce};
use jiff::Timestamp;
use object_store::{ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

use super::{CallFolders, StoreError, paths};

/// Facts that may wait to be taken up; beyond that they are counted and left out.
const WAITING: usize = 1024;
/// News is written at the latest after this long.
const EVERY: Duration = Duration::from_secs(5);
/// What passed in each second of a call is not waited for: it is written along with other news, or once there are so
/// many bytes of it (about a minute's). A segment is a request that is paid for.
const SECONDS_WORTH: usize = 16 << 10;
/// Facts that could not be written are kept up to this many bytes.
const MOST_UNWRITTEN: usize = 4 << 20;

/// One line of a segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecordedFact {
    /// Version of this shape.
    pub v: u32,
    /// When.
    pub at: Timestamp,
    /// What.
    #[serde(flatten)]
    pub fact: Fact,
}

enum Job {
    Note(Box<RecordedFact>),
    Flush,
}

/// Writes an attempt's facts in a task of its own. Nothing here makes the caller wait, but
/// [`close`](Self::close).
#[derive(Debug)]
pub struct FactsWriter {
    jobs: mpsc::Sender<Job>,
    task: JoinHandle<Result<(), StoreError>>,
    left_out: u64,
}

impl FactsWriter {
    /// Starts to write. `owner` names the writer: its first six characters begin every segment's name.
    /// Must be called within a tokio runtime.
    pub fn start(folders: CallFolders, attempt: AttemptId, owner: Nonce) -> Self {
        let (jobs, inbox) = mpsc::channel(WAITING);
        let segments =
            Segments { folders, attempt, owner, number: 1, unwritten: Vec::new(), has_news: false };
        Self { jobs, task: tokio::spawn(segments.write_all(inbox)), left_out: 0 }
    }

    /// Notes a fact. Never waits: if the writer is that far behind, the fact is left out and counted.
    pub fn note(&mut self, at: Timestamp, fact: Fact) {
        let line = RecordedFact { v: super::documents::V, at, fact };
        if let Err(TrySendError::Full(_)) = self.jobs.try_send(Job::Note(Box::new(line))) {
            self.left_out += 1;
        }
    }

    /// Asks for what was noted to be written now: at the dial, the answer, the end. Does not wait for it.
    pub fn flush(&self) {
        // A full queue is being written anyway.
        let _ = self.jobs.try_send(Job::Flush);
    }

    /// How many facts were left out so far.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Writes what is left and ends. Gives up after `within`.
    ///
    /// # Errors
    /// What was not written is lost.
    pub async fn close(self, within: Duration) -> Result<(), StoreError> {
        drop(self.jobs);
        let mut task = self.task;
        let ended = match tokio::time::timeout(within, &mut task).await {
            Ok(Ok(written)) => return written,
            Ok(Err(error)) => error.to_string(),
            Err(_) => {
                task.abort();
                format!("not written within {} ms", within.as_millis())
            }
        };
        Err(StoreError::Unavailable { path: "facts".to_owned(), detail: ended })
    }
}

/// The writer's side: lines that are not in a segment yet, and where the next segment goes.
struct Segments {
    folders: CallFolders,
    attempt: AttemptId,
    owner: Nonce,
    number: u32,
    unwritten: Vec<u8>,
    /// There is more in it than what passed in each second.
    has_news: bool,
}

impl Segments {
    async fn write_all(mut self, mut inbox: mpsc::Receiver<Job>) -> Result<(), StoreError> {
        let mut ticks = tokio::time::interval_at(Instant::now() + EVERY, EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                job = inbox.recv() => match job {
                    Some(Job::Note(line)) => self.take(&line),
                    Some(Job::Flush) => self.write_or_keep().await,
                    None => break,
                },
                _ = ticks.tick() => if self.is_worth_writing() { self.write_or_keep().await },
            }
        }
        let mut tries = super::retry::Pauses::start();
        loop {
            match self.write().await {
                Ok(()) => return Ok(()),
                Err(error) => {
                    if !tries.pause().await {
                        return Err(error);
                    }
                }
            }
        }
    }

    fn take(&mut self, line: &RecordedFact) {
        if self.unwritten.len() < MOST_UNWRITTEN && serde_json::to_writer(&mut self.unwritten, line).is_ok() {
            self.unwritten.push(b'\n');
            self.has_news |= !matches!(line.fact, Fact::SoundSecond(_));
        }
    }

    fn is_worth_writing(&self) -> bool {
        self.has_news || self.unwritten.len() >= SECONDS_WORTH
    }

    async fn write_or_keep(&mut self) {
        if let Err(error) = self.write().await {
            tracing::warn!(attempt = %self.attempt, %error, "facts not written yet");
        }
    }

    /// Writes one segment. A segment that may or may not have got through is written again under the
    /// same name, with what came since: nobody else writes it.
    async fn write(&mut self) -> Result<(), StoreError> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let path = paths::facts_segment(&self.attempt, &self.owner, self.number);
        let payload = PutPayload::from(self.unwritten.clone());
        self.folders
            .store
            .put(&path, payload)
            .await
            .map_err(|error| super::retry::unavailable(&path, &error))?;
        self.unwritten.clear();
        self.has_news = false;
        self.number += 1;
        Ok(())
    }
}

impl CallFolders {
    /// An attempt's facts by all its writers, in order of time. Lines that cannot be understood are left out:
    /// a newer version may have written them.
    pub async fn facts(&self, attempt: &AttemptId) -> Result<Vec<RecordedFact>, StoreError> {
        FactsReader::new(attempt.clone()).news(self).await
    }
}

/// Reads an attempt's facts as they come.
#[derive(Debug)]
pub struct FactsReader {
    attempt: AttemptId,
    /// How many bytes of each segment were read: one that is written again only grows.
    read: BTreeMap<String, usize>,
}

impl FactsReader {
    /// Those of `attempt`, from the first on.
    pub fn new(attempt: AttemptId) -> Self {
        Self { attempt, read: BTreeMap::new() }
    }

    /// What was written since, in order of time. Lines that cannot be understood are left out.
    ///
    /// # Errors
    /// When the store cannot be read; what was not read then is read next time.
    pub async fn news(&mut self, folders: &CallFolders) -> Result<Vec<RecordedFact>, StoreError> {
        let folder = paths::facts_folder(&self.attempt);
        let files = folders.list(&folder).await?;
        let mut facts: Vec<RecordedFact> = Vec::new();
        for (file, size) in files.files.into_iter().zip(files.sizes) {
            let known = self.read.get(&file).copied().unwrap_or(0);
            if size <= known {
                continue;
            }
            let Some(bytes) = folders.read_bytes(&folder.clone().join(file.as_str())).await? else {
                continue;
            };
            let lines = bytes.get(known..).unwrap_or_default().split(|&byte| byte == b'\n');
            facts.extend(lines.filter_map(|line| serde_json::from_slice::<RecordedFact>(line).ok()));
            self.read.insert(file, bytes.len());
        }
        facts.sort_by_key(|line| line.at);
        Ok(facts)
    }
}

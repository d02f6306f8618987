//! An attempt, started in this process: what RunTask is to the router function.

use std::sync::{Arc, Mutex, PoisonError};

use calls::ids::AttemptId;
use cloud::call_folder::CallFolders;
use router::Launch;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tracing::Instrument as _;

use super::{Worker, apart};
use crate::job::{self, Job, Taken};
use crate::run::{self, Ran};
use crate::settings::Settings;
use crate::stop::Stop;

const TOLD_TO_STOP: &str = "this worker was told to stop before it began the call";

/// Starts the call of one message. What the message holds until then, its place among the calls, is the call's from
/// then on.
pub struct Here {
    worker: Arc<Worker>,
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Here {
    /// For a message that has this place.
    pub(super) fn new(worker: Arc<Worker>, place: OwnedSemaphorePermit) -> Self {
        Self { worker, place: Mutex::new(Some(place)) }
    }

    fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Launch for Here {
    /// Returns when the attempt is answered or over, for the message is what brings it back should this process die:
    /// until then `launched.json` must not say that it need not.
    async fn launch(&self, attempt: &AttemptId) -> Result<String, String> {
        let worker = &self.worker;
        if worker.stop.times() > 0 {
            return Err(TOLD_TO_STOP.to_owned());
        }
        // The call's until it is over and, if that is possible at once, settled.
        let place = Arc::new(self.place().ok_or("this delivery has had its call already")?);
        let task = worker.settings.task.clone();
        let (told, answered) = oneshot::channel();
        let (id, settings, stop) = (attempt.clone(), worker.settings.clone(), worker.stop.clone());
        let name = attempt.to_string();
        let span = tracing::info_span!(target: "call", "call", attempt = %attempt);
        let runs = worker.running.begins(attempt);
        let carried = apart::run(&name, span.clone(), place.clone(), move || carry(id, settings, stop, told))
            .map_err(|error| format!("no thread for the call: {error}"))?;
        let (over, ended) = oneshot::channel();
        let (worker, id) = (worker.clone(), attempt.clone());
        tokio::spawn(
            async move {
                // A thread that broke says nothing, and nothing is said of it.
                match carried.await {
                    Ok(result) => drop(over.send(result)),
                    Err(_) => drop(over),
                }
                drop(runs);
                worker.settle_own(&id, place).await;
            }
            .instrument(span),
        );
        watch(&self.worker.router.folders, attempt, answered, ended).await.map(|()| task)
    }
}

/// Waits until the message is needed no more: its call is answered, or over.
///
/// # Errors
/// Why the message has to come again: the call ended, however it did, and nobody holds its dial claim or said how it
/// ended, so nothing rang.
async fn watch(
    folders: &CallFolders,
    attempt: &AttemptId,
    answered: oneshot::Receiver<()>,
    ended: oneshot::Receiver<Result<(), String>>,
) -> Result<(), String> {
    let why = tokio::select! {
        Ok(()) = answered => return Ok(()),
        ended = ended => ended.unwrap_or_else(|_| Err("this program broke".to_owned())),
    };
    let claimed = folders.dial_claim(attempt).await.map_err(|error| error.to_string())?.is_some();
    let settled = folders.outcome(attempt).await.map_err(|error| error.to_string())?.is_some();
    match (claimed || settled, why) {
        (true, _) => Ok(()),
        (false, Err(why)) => Err(why),
        (false, Ok(())) => Err("it ended without a dial claim and without an outcome".to_owned()),
    }
}

/// The call, from its job to its end. Nothing is claimed without the country's secrets: they may be there the next time.
async fn carry(
    attempt: AttemptId,
    settings: Arc<Settings>,
    stop: Stop,
    answered: oneshot::Sender<()>,
) -> Result<(), String> {
    let mut told = stop.clone();
    let taken = tokio::select! {
        taken = job::take_up(&attempt, &settings) => taken,
        _ = told.told() => return Err(TOLD_TO_STOP.to_owned()),
    };
    let job = match taken.map_err(|problem| format!("{problem:#}"))? {
        Taken::Job(job) => *job,
        Taken::NoSecrets { problem, .. } => return Err(format!("{problem:#}")),
    };
    job.log_context().is_of_thread();
    match run::run(Job { answered: Some(answered), ..job }, || Ok(stop)).await {
        Ok(Ran::Over { .. }) => Ok(()),
        Ok(Ran::StoppedTwice) => Err("this worker was told to stop twice".to_owned()),
        Err(problem) => {
            let problem = format!("{problem:#}");
            tracing::error!(detail = problem, "call not begun");
            Err(problem)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use calls::ids::CallKey;
    use tracing::Span;

    use super::*;
    use crate::{clock, leg};

    /// What becomes of the message when its call does this, on a thread of its own.
    async fn watched<F: Future<Output = Result<(), String>>>(
        is_claimed: bool,
        work: impl FnOnce(oneshot::Sender<()>) -> F + Send + 'static,
    ) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let folders = CallFolders::in_directory(folder.path()).unwrap();
        let attempt = AttemptId::new(CallKey::from_sqs_message("m"), 1);
        if is_claimed {
            let claim = leg::claim_without_dial("test", clock::wall(), "claimed".into());
            assert!(folders.claim_dial(&attempt, &claim).await.unwrap().is_ours());
        }
        let (told, answered) = oneshot::channel();
        let ended = apart::run("call", Span::none(), (), move || work(told)).unwrap();
        watch(&folders, &attempt, answered, ended).await
    }

    #[tokio::test]
    async fn the_message_of_a_call_that_broke_comes_again_unless_somebody_may_have_rung() {
        let breaks = |_| async { panic!("on purpose") };
        assert_eq!(watched(false, breaks).await, Err("this program broke".to_owned()));
        assert_eq!(watched(true, breaks).await, Ok(()));
    }

    #[tokio::test]
    async fn a_call_that_could_not_begin_says_why_and_one_that_was_answered_needs_its_message_no_more() {
        let cannot = |_| async { Err("no secrets".to_owned()) };
        assert_eq!(watched(false, cannot).await, Err("no secrets".to_owned()));
        assert!(watched(false, |_| async { Ok(()) }).await.unwrap_err().contains("without a dial claim"));
        let answers = |told: oneshot::Sender<()>| async move {
            told.send(()).unwrap();
            std::future::pending().await
        };
        assert_eq!(watched(false, answers).await, Ok(()));
    }
}

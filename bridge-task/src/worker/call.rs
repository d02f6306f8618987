//! An attempt, started in this process: what RunTask is to the router function.

use std::sync::{Arc, Mutex, PoisonError};

use calls::ids::AttemptId;
use cloud::call_folder::CallFolders;
use router::Launch;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::apart;
use crate::job::{self, Job, Taken};
use crate::run::{self, Ran};
use crate::settings::Settings;
use crate::stop::Stop;

const TOLD_TO_STOP: &str = "this worker was told to stop before it began the call";

/// Starts the call of one message. What the message holds until then, its place among the calls, is the call's from
/// then on.
pub struct Here {
    settings: Arc<Settings>,
    folders: CallFolders,
    stop: Stop,
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl Here {
    /// For a message that has this place.
    pub fn new(
        settings: Arc<Settings>,
        folders: CallFolders,
        stop: Stop,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self { settings, folders, stop, place: Mutex::new(Some(place)) }
    }

    fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether the message has done its work although the call ended before an answer: an outcome says so, or a dial
    /// claim, whoever holds it. Otherwise nothing rang and nobody said why, so the message has to come again.
    async fn is_settled(&self, attempt: &AttemptId) -> Result<bool, String> {
        let claimed = self.folders.dial_claim(attempt).await.map_err(|error| error.to_string())?.is_some();
        let ended = self.folders.outcome(attempt).await.map_err(|error| error.to_string())?.is_some();
        Ok(claimed || ended)
    }
}

impl Launch for Here {
    /// Returns when the attempt is answered or over, for the message is what brings it back should this process die:
    /// until then `launched.json` must not say that it need not.
    async fn launch(&self, attempt: &AttemptId) -> Result<String, String> {
        if self.stop.times() > 0 {
            return Err(TOLD_TO_STOP.to_owned());
        }
        let place = self.place().ok_or("this delivery has had its call already")?;
        let task = self.settings.task.clone();
        let (told, answered) = oneshot::channel();
        let (id, settings, stop) = (attempt.clone(), self.settings.clone(), self.stop.clone());
        let name = attempt.to_string();
        let span = tracing::info_span!(target: "call", "call", attempt = %attempt);
        let ended = apart::run(&name, span, place, move || carry(id, settings, stop, told))
            .map_err(|error| format!("no thread for the call: {error}"))?;
        let why = tokio::select! {
            Ok(()) = answered => return Ok(task),
            ended = ended => ended.unwrap_or_else(|_| Err("this program broke".to_owned())),
        };
        if self.is_settled(attempt).await? {
            return Ok(task);
        }
        Err(why.err().unwrap_or_else(|| "it ended without a dial claim and without an outcome".to_owned()))
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

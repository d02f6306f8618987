//! `bridge-task worker`: router and tasks in one process, for who runs one machine and no Lambda.
//!
//! A message is received only when there is a place for its call, and stays hidden from others until the call is
//! answered or over. Each call has a thread, a runtime and clients of its own, and runs the very code of `job`; what
//! it shares with the others is its place among them, and this process.

mod apart;
mod call;
mod metrics;
mod opening;
mod settings;
mod settling;

use std::sync::Arc;
use std::time::Duration;

use calls::routing::Verdict;
use cloud::queue::{Queue, Received};
use router::Router;
use settler::Settler;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::Instrument as _;

use crate::deployment;
use crate::run::Ran;
use crate::settings::Settings;
use crate::stop::Stop;
use call::Here;
pub use settings::{ProfilesFrom, WorkerSettings};
use settling::Running;

/// The longest that SQS lets a poll wait.
const POLL: Duration = Duration::from_secs(20);
/// A poll that is broken off gets so long: what is on its way to us must not stay hidden until its time is over.
const LAST_POLL: Duration = Duration::from_secs(1);
/// A queue that does not answer is asked again after this, then ever more seldom.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long it is tried to acknowledge a message, or to put it back.
const TELL_QUEUE_WITHIN: Duration = Duration::from_secs(20);
/// Hanging up takes a call two seconds at most.
const HANG_UP_ALL_WITHIN: Duration = Duration::from_secs(5);

/// Works until it is told to stop.
///
/// # Errors
/// All that is missing or wrong, before the first message is received.
pub async fn run(mut settings: Settings) -> anyhow::Result<Ran> {
    let Some(told) = settings.worker.clone() else { anyhow::bail!("these are no settings of a worker") };
    if let Some(arn) = deployment::task_arn(settings.variables.get("ECS_CONTAINER_METADATA_URI_V4")).await {
        settings.task = arn;
    }
    let stop = Stop::listen()?;
    let opened = opening::open(&settings, &told).await?;
    let serving = match (told.metrics, &settings.meters.prometheus) {
        (Some(address), Some(prometheus)) => Some(metrics::serve(address, prometheus.clone()).await?),
        _ => None,
    };
    let places = usize::try_from(told.calls_at_once)?;
    let worker = Arc::new(Worker {
        settings: Arc::new(settings),
        router: opened.router,
        settler: opened.settler,
        running: Running::default(),
        visibility: told.visibility,
        stop: stop.clone(),
    });
    let sweeping = tokio::spawn(settling::sweep_on(worker.clone()));
    let floor = Floor { worker, inbox: opened.inbox, places: Arc::new(Semaphore::new(places)) };
    let ran = floor.work(places, stop).await;
    // Whatever it is at can be done again.
    sweeping.abort();
    if let Some(serving) = serving {
        serving.abort();
    }
    Ok(ran)
}

/// Where messages come in, and how many calls there is room for.
struct Floor {
    worker: Arc<Worker>,
    inbox: Queue,
    places: Arc<Semaphore>,
}

impl Floor {
    async fn work(&self, places: usize, mut stop: Stop) -> Ran {
        let mut messages = JoinSet::new();
        let mut pause = FIRST_PAUSE;
        while let Some(place) = self.place(&mut stop).await {
            match self.receive(&mut stop).await {
                Ok(Some(message)) => {
                    pause = FIRST_PAUSE;
                    let span = tracing::info_span!(target: "call", "message", message = %message.message_id);
                    messages.spawn(self.worker.clone().take(message, place).instrument(span));
                }
                Ok(None) => pause = FIRST_PAUSE,
                Err(detail) => {
                    tracing::error!(detail, "no messages can be received");
                    tokio::select! {
                        () = sleep(pause) => {}
                        _ = stop.told() => break,
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            while let Some(ended) = messages.try_join_next() {
                notice(ended);
            }
        }
        let left = places - self.places.available_permits();
        tracing::info!(detail = format!("{left} calls and messages are in hand"), "worker stops");
        self.leave(messages, places, stop).await
    }

    /// A place for one more call; `None`: told to stop.
    async fn place(&self, stop: &mut Stop) -> Option<OwnedSemaphorePermit> {
        if stop.times() > 0 {
            return None;
        }
        tokio::select! {
            place = self.places.clone().acquire_owned() => place.ok(),
            _ = stop.told() => None,
        }
    }

    /// One message, if one comes. What still arrives after we were told to stop goes back at once.
    async fn receive(&self, stop: &mut Stop) -> Result<Option<Received>, String> {
        let poll = self.inbox.receive(1, POLL, self.worker.visibility);
        tokio::pin!(poll);
        let received = tokio::select! {
            received = &mut poll => received?,
            _ = stop.told() => tokio::select! {
                late = timeout(LAST_POLL, poll) => late.unwrap_or_else(|_| Ok(Vec::new()))?,
                () = stop.told_twice() => Vec::new(),
            },
        };
        let message = received.into_iter().next();
        if stop.times() == 0 {
            return Ok(message);
        }
        if let Some(message) = message {
            self.worker.put_back(&message).await;
        }
        Ok(None)
    }

    /// Waits for what is in hand; told twice, until every line is hung up.
    async fn leave(&self, mut messages: JoinSet<()>, places: usize, mut stop: Stop) -> Ran {
        let all = u32::try_from(places).unwrap_or(u32::MAX);
        let over = async {
            while let Some(ended) = messages.join_next().await {
                notice(ended);
            }
            // Calls that were answered have no message any more, but still their place.
            drop(self.places.acquire_many(all).await);
        };
        tokio::select! {
            // Calls that were told twice may be over before we look.
            biased;
            () = stop.told_twice() => {}
            () = over => return Ran::Over { carried_through: true },
        }
        messages.abort_all();
        if timeout(HANG_UP_ALL_WITHIN, self.places.acquire_many(all)).await.is_err() {
            let left = places - self.places.available_permits();
            let detail =
                format!("{left} calls did not end; their lines may stay open until their time limit");
            tracing::error!(detail, "told to stop twice");
        }
        Ran::StoppedTwice
    }
}

/// What broke on a message's way harms that message alone: it comes again.
fn notice(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(detail = "this program broke on its way; it comes again", "message not carried");
    }
}

/// What a message needs on its way.
struct Worker {
    settings: Arc<Settings>,
    router: Router,
    settler: Settler,
    running: Running,
    visibility: Duration,
    stop: Stop,
}

impl Worker {
    /// Takes one message all its way and acknowledges it.
    async fn take(self: Arc<Self>, message: Received, place: OwnedSemaphorePermit) {
        let here = Here::new(self.clone(), place);
        match self.router.route(&message, &here, self.keep_hidden(&message)).await {
            Verdict::Done | Verdict::Refused(_) | Verdict::Deferred => {}
            Verdict::Retry(_) => return,
        }
        let deleting = self.router.queue.delete(&message.receipt_handle);
        let problem = match timeout(TELL_QUEUE_WITHIN, deleting).await {
            Ok(deleted) => deleted.err(),
            Err(_) => Some(format!("no answer within {} s", TELL_QUEUE_WITHIN.as_secs())),
        };
        if let Some(detail) = problem {
            tracing::warn!(detail, "a message comes once more, and is acknowledged then");
        }
    }

    /// Hides the message anew, well before its time is over, for as long as this is waited for: for ever.
    async fn keep_hidden(&self, message: &Received) -> String {
        let beat = self.visibility / 3;
        loop {
            sleep(beat).await;
            let hiding = self.router.queue.put_off(&message.receipt_handle, self.visibility);
            let problem = match timeout(beat, hiding).await {
                Ok(hidden) => hidden.err(),
                Err(_) => Some("no answer".to_owned()),
            };
            if let Some(detail) = problem {
                // Should it come again meanwhile, the claims keep its call from being made twice.
                tracing::warn!(detail, "a message could not be kept hidden");
            }
        }
    }

    /// For another worker, at once.
    async fn put_back(&self, message: &Received) {
        let putting = self.router.queue.put_off(&message.receipt_handle, Duration::ZERO);
        if let Ok(Err(detail)) = timeout(TELL_QUEUE_WITHIN, putting).await {
            tracing::warn!(detail, "a message comes again later than it should");
        }
    }
}

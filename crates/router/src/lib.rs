//! The hands of `calls::routing`: a received message is taken all its way to a verdict. The function behind the queue
//! and the worker are the same router; they differ in what starts an attempt ([`Launch`]) and in what runs beside a
//! message's way.

mod launch;
mod paces;
pub mod variables;
mod way;

use std::sync::Arc;
use std::time::Duration;

use calls::fact::Fact;
use calls::routing::{Policy, Verdict, try_again_after};
use cloud::call_folder::CallFolders;
use cloud::profiles::ProfileSource;
use cloud::queue::{Queue, Received};
use jiff::Timestamp;
use serde_json::Value;
use telemetry::metrics::{Meters, Metric, Sample};
use telemetry::traces::Traces;
use tokio::time::timeout;

pub use launch::Launch;
pub use paces::Paces;
use way::Way;

/// How long what comes after the verdict may take: facts, upstream's event, putting a message off.
const ASIDE_WITHIN: Duration = Duration::from_secs(3);

/// Everything that a message's way needs, but for what starts an attempt.
#[derive(Debug)]
pub struct Router {
    /// Its name on what it writes into call folders, for people.
    pub name: String,
    /// Where call folders are.
    pub folders: CallFolders,
    /// The countries.
    pub profiles: Arc<ProfileSource>,
    /// Where messages come from.
    pub queue: Queue,
    /// Where messages go that can never work.
    pub dead_letters: Queue,
    /// Where upstream is told, if it wants to be.
    pub call_history: Option<Queue>,
    /// What the deployment decided.
    pub policy: Policy,
    /// How fast calls to each country begin.
    pub paces: Paces,
    /// Where it is measured.
    pub meters: Meters,
    /// Where its part of calls' traces goes; `None`: there are none.
    pub traces: Option<Traces>,
}

impl Router {
    /// Takes a message all its way. Attempts are started by `launch`. `beside` runs meanwhile; should it end first,
    /// the message comes again, for the reason that it gives. Whatever was left undone then, the next delivery finds.
    ///
    /// A message that is to come again is put off by this; acknowledging the others is the caller's.
    pub async fn route(
        &self,
        message: &Received,
        launch: &impl Launch,
        beside: impl Future<Output = String>,
    ) -> Verdict {
        let mut way = Way::of(self, message);
        let verdict = tokio::select! {
            verdict = way.walk(launch) => verdict,
            detail = beside => Verdict::Retry(detail),
        };
        if let (Verdict::Retry(detail), false) = (&verdict, way.has_ended()) {
            way.record(Fact::TryAgain { detail: detail.clone() });
        }
        let again = async {
            if matches!(verdict, Verdict::Retry(_)) {
                self.put_off(message).await;
            }
        };
        // All of it is done or left undone in a few seconds: other messages wait.
        tokio::join!(again, self.tell(way.refusal()), way.write_facts(&verdict), way.send_trace());
        verdict
    }

    /// What did not work now is tried again soon at first, then ever more seldom. By itself the queue would wait
    /// for its visibility timeout each time.
    async fn put_off(&self, message: &Received) {
        let now = Timestamp::now();
        let waited = now.duration_since(message.sent_at).as_secs().max(0) as f64;
        self.meters.take(now, None, &[Sample::of(Metric::WaitedSeconds, waited)]);
        let delay = try_again_after(message.receive_count);
        if let Err(error) = at_most(self.queue.put_off(&message.receipt_handle, delay)).await {
            tracing::warn!(detail = error, "a message comes again later than it should");
        }
    }

    /// Tells upstream of a refusal, if its message could be read that far.
    async fn tell(&self, refusal: Option<&Value>) {
        let (Some(history), Some(event)) = (&self.call_history, refusal) else { return };
        let body = event.to_string();
        let sending = async { history.send(&body, &[]).await.map_err(|error| error.to_string()) };
        if let Err(error) = at_most(sending).await {
            tracing::warn!(detail = error, "upstream is not told of a refusal");
        }
    }
}

/// What nobody's call depends on does not hold it up.
async fn at_most<T>(doing: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let too_long = || Err(format!("not done within {} s", ASIDE_WITHIN.as_secs()));
    timeout(ASIDE_WITHIN, doing).await.unwrap_or_else(|_| too_long())
}

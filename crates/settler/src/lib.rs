//! The hands of `calls::settle`: what is left of an attempt whose task is gone is settled, once. The watcher function
//! and the worker are the same settler; they differ in how they hear of an attempt.

mod afterwards;
mod hands;
mod sweep;

use std::sync::Arc;
use std::time::Duration;

use calls::fact::TaskPhases;
use calls::ids::AttemptId;
use calls::settle::{Cause, Policy, Settled};
use cloud::call_folder::{CallFolders, Standing};
use cloud::profiles::{CredentialSource, ProfileSource};
use cloud::queue::Queue;
use cloud::tasks::Tasks;
use telemetry::metrics::Meters;
use telemetry::traces::Traces;

use hands::Hands;
pub use sweep::Swept;

/// What nobody's call depends on, facts and upstream's events, may take so long.
const ASIDE_WITHIN: Duration = Duration::from_secs(3);
/// A room that could not be deleted within this is tried again the next time.
const ROOM_WITHIN: Duration = Duration::from_secs(10);

/// Everything that settling needs.
#[derive(Debug)]
pub struct Settler {
    /// Its name on what it writes into call folders, for people.
    pub name: String,
    /// The deployment, as it stands in the metadata of its rooms.
    pub stage: String,
    /// Where call folders are.
    pub folders: CallFolders,
    /// Where messages come from, and go that ask for another attempt.
    pub queue: Queue,
    /// Where messages go that are given up.
    pub dead_letters: Queue,
    /// Where upstream is told, if it wants to be.
    pub call_history: Option<Queue>,
    /// The countries, for the sweep: whose LiveKit projects there are.
    pub profiles: Arc<ProfileSource>,
    /// The keys of LiveKit and of the agent's vendor.
    pub credentials: CredentialSource,
    /// Who knows what became of tasks; `None`: there are none, a worker carries the calls.
    pub tasks: Option<Tasks>,
    /// What the deployment decided.
    pub policy: Policy,
    /// Where it is measured.
    pub meters: Meters,
    /// Where its part of calls' traces goes; `None`: there are none.
    pub traces: Option<Traces>,
}

impl Settler {
    /// Settles one attempt, as far as this cause allows. Any step may have been done before, and may be done again.
    pub async fn settle(&self, attempt: &AttemptId, cause: Cause) -> Settled {
        Hands::of(self, attempt, cause, None).settle().await
    }

    /// The same for who knows how the task's start went.
    pub async fn settle_task(&self, attempt: &AttemptId, cause: Cause, phases: TaskPhases) -> Settled {
        let mut hands = Hands::of(self, attempt, cause, None);
        hands.phases = Some(phases);
        hands.settle().await
    }

    /// The same for who has just looked into the call's folder.
    async fn settle_as_seen(&self, attempt: &AttemptId, cause: Cause, standing: Standing) -> Settled {
        Hands::of(self, attempt, cause, Some(standing)).settle().await
    }
}

//! A job: everything one attempt needs, whoever made it.

use std::time::Instant;

use anyhow::anyhow;
use calls::ids::{AttemptId, Nonce, callee_identity, room_name};
use calls::plan::{CallPlan, Leg};
use cloud::call_folder::{CallFolders, draw_nonce};
use cloud::profiles::{Credentials, Problem};

use crate::last_resort::Attempt;
use crate::settings::Settings;
use crate::{cli, clock};

/// One attempt at one call, with all that it needs.
#[derive(Debug)]
pub struct Job {
    /// Which.
    pub attempt: AttemptId,
    /// What is dialed, or waited for.
    pub plan: CallPlan,
    /// The secrets of its country.
    pub credentials: Credentials,
    /// Where its folder is.
    pub folders: CallFolders,
    /// Our room.
    pub room: String,
    /// Whom we dial, in that room; for an inbound call the first caller decides.
    pub callee_identity: Option<String>,
    /// Names what this process writes.
    pub writer: Nonce,
    /// The job's deadline for taking the dial claim.
    pub claim_by: Option<Instant>,
    /// The deployment.
    pub stage: String,
    /// What this process is called in a claim.
    pub task: String,
    /// May transcripts be shown in the log?
    pub words: bool,
}

impl Job {
    /// A job with names of its own: nobody else's room is ever ours.
    pub fn new(
        attempt: AttemptId,
        plan: CallPlan,
        credentials: Credentials,
        folders: CallFolders,
        settings: &Settings,
    ) -> Self {
        let writer = draw_nonce();
        let callee_identity =
            matches!(plan.leg, Leg::Outbound { .. }).then(|| callee_identity(&attempt, &writer));
        Self {
            room: room_name(&attempt, &writer),
            callee_identity,
            attempt,
            plan,
            credentials,
            folders,
            writer,
            claim_by: None,
            stage: settings.stage.clone(),
            task: settings.task.clone(),
            words: settings.words,
        }
    }
}

/// Takes up the job that lies in a call folder. From the moment it is read, whatever stands in the way is written
/// there too.
pub async fn from_call_folder(asked: &cli::Job, settings: &Settings) -> anyhow::Result<Job> {
    let folders = CallFolders::in_directory(&settings.calls)?;
    let found = folders.job(&asked.attempt).await?.ok_or_else(|| {
        let (attempt, calls) = (&asked.attempt, settings.calls.display());
        anyhow!("there is no job {attempt} in {calls}: is --calls (or OCG_CALLS) the right directory?")
    })?;
    let credentials = match credentials(&found.plan.profile.country, settings) {
        Ok(credentials) => credentials,
        Err(problem) => {
            let attempt = Attempt {
                id: asked.attempt.clone(),
                folders,
                plan: found.plan,
                task: settings.task.clone(),
                started_at: clock::wall(),
            };
            attempt.failed_before_dial(&problem.to_string()).await;
            return Err(problem);
        }
    };
    let claim_by = Some(clock::instant_of(found.deadline));
    let job = Job::new(asked.attempt.clone(), found.plan, credentials, folders, settings);
    Ok(Job { claim_by, ..job })
}

/// A country's secrets, or everything that is missing of them.
pub fn credentials(country: &str, settings: &Settings) -> anyhow::Result<Credentials> {
    Credentials::from_environment(country, &settings.variables).map_err(|problems| complaint(&problems))
}

/// All problems in one message, a line each.
pub fn complaint<'a>(problems: impl IntoIterator<Item = &'a Problem>) -> anyhow::Error {
    let lines: Vec<String> = problems.into_iter().map(|problem| format!("  - {problem}")).collect();
    anyhow!("not everything that this call needs is set:\n{}", lines.join("\n"))
}

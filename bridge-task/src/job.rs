//! A job: everything one attempt needs, whoever made it.

use std::time::{Duration, Instant};

use anyhow::anyhow;
use calls::call::Limits;
use calls::hours::Hours;
use calls::ids::{AttemptId, Nonce, callee_identity, room_name};
use calls::plan::{CallPlan, Leg};
use cloud::call_folder::{CallFolders, StoreError, documents, draw_nonce};
use cloud::profiles::{Credentials, Problem};
use telemetry::CallContext;
use tokio::sync::oneshot;

use crate::deployment;
use crate::last_resort::Attempt;
use crate::reports::{Reports, Ways};
use crate::settings::Settings;
use crate::{cli, clock};

/// So long a deployed task waits for its bucket, looking again after each pause.
const JOB_CAP: Duration = Duration::from_secs(120);
const JOB_PAUSE: Duration = Duration::from_secs(1);
/// Secrets that were not read by then are not waited for.
const SECRETS_CAP: Duration = Duration::from_secs(60);
/// What is left of the time for the dial claim when they are given up: enough to take the claim and say so.
const AFTER_SECRETS: Duration = Duration::from_secs(10);
/// They get this at least: a claim that is too late by then is refused where claims are taken.
const SECRETS_AT_LEAST: Duration = Duration::from_secs(5);

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
    /// Its times: until when it may claim and dial, and how long it goes on when we are told to stop.
    pub limits: Limits,
    /// The deployment.
    pub stage: String,
    /// What this process is called in a claim.
    pub task: String,
    /// May transcripts be shown in the log?
    pub words: bool,
    /// Nothing else is this process's business.
    pub alone: bool,
    /// Who else is told of it.
    pub reports: Reports,
    /// Who waits for the answer, within this process.
    pub answered: Option<oneshot::Sender<()>>,
}

impl Job {
    /// A job with names of its own: nobody else's room is ever ours.
    pub fn new(
        attempt: AttemptId,
        plan: CallPlan,
        credentials: Credentials,
        folders: CallFolders,
        ways: Ways,
        settings: &Settings,
    ) -> Self {
        let writer = draw_nonce();
        let room = room_name(&attempt, &writer);
        let reports = Reports::start(ways, &attempt, &plan, Some(&room));
        let callee_identity =
            matches!(plan.leg, Leg::Outbound { .. }).then(|| callee_identity(&attempt, &writer));
        Self {
            room,
            callee_identity,
            attempt,
            plan,
            credentials,
            folders,
            writer,
            limits: Limits { drain_for: settings.drain_for, ..Limits::default() },
            stage: settings.stage.clone(),
            task: settings.task.clone(),
            words: settings.words,
            alone: settings.worker.is_none(),
            reports,
            answered: None,
        }
    }

    /// What each line of its log carries.
    pub fn log_context(&self) -> CallContext {
        CallContext {
            call_id: self.plan.call_id.clone(),
            attempt: self.attempt.to_string(),
            country: self.plan.profile.country.clone(),
            words: self.words,
        }
    }
}

/// Where a job's things come from.
struct Sources {
    folders: CallFolders,
    /// A bucket that does not answer is waited for.
    in_bucket: bool,
    /// The stage in whose parameter store the secrets lie; `None`: they are in the environment.
    stored: Option<(String, aws_config::SdkConfig)>,
    ways: Ways,
    task: String,
}

impl Sources {
    async fn of(settings: &Settings) -> anyhow::Result<Self> {
        let in_bucket = settings.deployment.is_some();
        // A worker's machine may have its credentials anywhere; a task has them where the store's own client looks.
        let anywhere = in_bucket && settings.worker.is_some();
        if settings.secrets_stage.is_none() && !anywhere {
            let (folders, ways) = (settings.folders(None)?, ways(settings).await);
            return Ok(Self { folders, in_bucket, stored: None, ways, task: settings.task.clone() });
        }
        let metadata = settings.variables.get("ECS_CONTAINER_METADATA_URI_V4");
        let (aws, arn) = tokio::join!(deployment::aws(), deployment::task_arn(metadata));
        let url = settings.call_history_queue_url.as_deref();
        Ok(Self {
            folders: settings.folders(anywhere.then_some(&aws))?,
            in_bucket,
            ways: Ways {
                call_history: url.map(|url| deployment::call_history(&aws, url)),
                meters: settings.meters.clone(),
                traces: settings.traces.clone(),
            },
            stored: settings.secrets_stage.clone().map(|stage| (stage, aws)),
            task: arn.unwrap_or_else(|| settings.task.clone()),
        })
    }

    /// The job, if there is one. Its message is acknowledged: a bucket that is away for a moment must not end it
    /// here, where nobody would be told.
    async fn job(&self, attempt: &AttemptId) -> Result<Option<documents::Job>, StoreError> {
        let deadline = clock::now() + JOB_CAP;
        loop {
            match self.folders.job(attempt).await {
                Err(StoreError::Unavailable { path, detail })
                    if self.in_bucket && clock::now() < deadline =>
                {
                    tracing::warn!(path, detail, "job not read yet");
                    tokio::time::sleep(JOB_PAUSE).await;
                }
                read => return read,
            }
        }
    }

    async fn credentials(
        &self,
        country: &str,
        claim_by: Instant,
        settings: &Settings,
    ) -> anyhow::Result<Credentials> {
        let Some((stage, aws)) = &self.stored else { return credentials(country, settings) };
        let left = claim_by.saturating_duration_since(clock::now()).saturating_sub(AFTER_SECRETS);
        deployment::credentials(aws, stage, country, left.clamp(SECRETS_AT_LEAST, SECRETS_CAP)).await
    }
}

/// Where reports go where no secrets are asked of AWS: to upstream if its queue is named. AWS is not looked for
/// otherwise.
pub async fn ways(settings: &Settings) -> Ways {
    let (meters, traces) = (settings.meters.clone(), settings.traces.clone());
    let Some(url) = &settings.call_history_queue_url else {
        return Ways { call_history: None, meters, traces };
    };
    let call_history = Some(deployment::call_history(&deployment::aws().await, url));
    Ways { call_history, meters, traces }
}

/// A job that lay in a call folder.
pub enum Taken {
    /// With all that it needs.
    Job(Box<Job>),
    /// Its country's secrets could not be had. Nothing of it was claimed.
    NoSecrets {
        /// The attempt.
        attempt: Box<Attempt>,
        /// What is missing, or why it could not be read.
        problem: anyhow::Error,
    },
}

/// Takes up the job that lies in a call folder. From the moment it is read, whatever stands in the way is written
/// there too.
pub async fn from_call_folder(asked: &cli::Job, settings: &Settings) -> anyhow::Result<Job> {
    match take_up(&asked.attempt, settings).await? {
        Taken::Job(job) => Ok(*job),
        Taken::NoSecrets { attempt, problem } => {
            attempt.failed_before_dial(&problem.to_string()).await;
            attempt.reports.close().await;
            Err(problem)
        }
    }
}

/// Takes up the job that lies in a call folder, and writes nothing there.
pub async fn take_up(id: &AttemptId, settings: &Settings) -> anyhow::Result<Taken> {
    let sources = Sources::of(settings).await?;
    let found = sources.job(id).await?.ok_or_else(|| no_job(id, settings))?;
    let claim_by = clock::instant_of(found.deadline);
    let credentials = sources.credentials(&found.plan.profile.country, claim_by, settings).await;
    let Sources { folders, mut ways, task, .. } = sources;
    ways.traces = ways.traces.map(|traces| traces.within(found.traceparent.as_deref()));
    let credentials = match credentials {
        Ok(credentials) => credentials,
        Err(problem) => {
            let attempt = Attempt {
                id: id.clone(),
                reports: Reports::start(ways, id, &found.plan, None),
                folders,
                plan: found.plan,
                task,
                started_at: clock::wall(),
                alone: settings.worker.is_none(),
            };
            return Ok(Taken::NoSecrets { attempt: Box::new(attempt), problem });
        }
    };
    let job = Job::new(id.clone(), found.plan, credentials, folders, ways, settings);
    let dial_until = dial_until(&job.plan);
    let limits = Limits { claim_by: Some(claim_by), dial_until, ..job.limits };
    Ok(Taken::Job(Box::new(Job { limits, task, ..job })))
}

/// When the callee's call hours end; now, if they have. For jobs that were made by a message, which waits until they
/// begin again: nobody is in front of it who could know better.
fn dial_until(plan: &CallPlan) -> Option<Instant> {
    if plan.leg == Leg::Inbound {
        return None;
    }
    match Hours::of(&plan.profile, clock::wall()) {
        Hours::Open { until } => until.map(clock::instant_of),
        Hours::Shut { .. } => Some(clock::now()),
    }
}

fn no_job(attempt: &AttemptId, settings: &Settings) -> anyhow::Error {
    match &settings.deployment {
        Some(deployment) => anyhow!(
            "there is no job {attempt} in the bucket {}: is OCG_BUCKET the right one?",
            deployment.bucket
        ),
        None => anyhow!(
            "there is no job {attempt} in {}: is --calls (or OCG_CALLS) the right directory?",
            settings.calls.display()
        ),
    }
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

//! A call while it lives.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calls::ids::AttemptId;
use calls::plan::CallPlan;
use cloud::call_folder::CallFolders;
use cloud::call_folder::documents::DialClaim;
use sim::stack::{BridgeTask, CALLER_ID, Call, Child, Output};
use sim::ultravox::{CallSnapshot, Ultravox};
use tokio::sync::OwnedSemaphorePermit;

use crate::ended::Kept;
use crate::leaks::Leaks;
use crate::{EndedCall, Stage};

/// Longer than any story takes to its next turn on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);
/// Longer than any call here lives.
const LONGEST: Duration = Duration::from_secs(120);
/// What is closed on one side is closed on the other after this at the latest.
const TIDY: Duration = Duration::from_secs(5);

/// A planned or running call, with everybody who takes part in it.
pub struct LiveCall {
    stage: Arc<Stage>,
    _seat: OwnedSemaphorePermit,
    dir: PathBuf,
    folders: CallFolders,
    attempt: AttemptId,
    plan: CallPlan,
    number: String,
    vendor: Ultravox,
    command: BridgeTask,
    secrets: Vec<String>,
    tasks: Vec<Child>,
}

impl LiveCall {
    #[expect(clippy::too_many_arguments, reason = "everybody who takes part; made in one place")]
    pub(crate) fn new(
        stage: Arc<Stage>,
        seat: OwnedSemaphorePermit,
        dir: PathBuf,
        folders: CallFolders,
        attempt: AttemptId,
        plan: CallPlan,
        number: String,
        vendor: Ultravox,
        command: BridgeTask,
        secrets: Vec<String>,
    ) -> Self {
        let tasks = Vec::new();
        Self { stage, _seat: seat, dir, folders, attempt, plan, number, vendor, command, secrets, tasks }
    }

    /// Starts a `bridge-task job` for this attempt; each has a log of its own. Returns its place among
    /// them, from 0.
    pub fn start_task(&mut self) -> Result<usize> {
        let nth = self.tasks.len();
        let attempt = self.attempt.to_string();
        let arguments = [
            "job".as_ref(),
            "--verbose".as_ref(),
            "--attempt".as_ref(),
            attempt.as_ref(),
            "--calls".as_ref(),
        ];
        let arguments = arguments.into_iter().chain([self.dir.as_os_str()]);
        self.tasks.push(self.command.start(arguments, Output::File(self.log_file(nth)))?);
        Ok(nth)
    }

    /// The `nth` task's process.
    pub fn task(&mut self, nth: usize) -> Result<&mut Child> {
        self.tasks.get_mut(nth).context("no such task was started")
    }

    /// What the `nth` task has logged so far.
    pub fn log(&self, nth: usize) -> String {
        std::fs::read_to_string(self.log_file(nth)).unwrap_or_default()
    }

    /// Which attempt this is.
    pub fn attempt(&self) -> &AttemptId {
        &self.attempt
    }

    /// What is dialed.
    pub fn plan(&self) -> &CallPlan {
        &self.plan
    }

    /// Whom it calls, E.164.
    pub fn number(&self) -> &str {
        &self.number
    }

    /// The call folders that it is in.
    pub fn folders(&self) -> &CallFolders {
        &self.folders
    }

    /// The directory of those.
    pub fn dir(&self) -> &std::path::Path {
        &self.dir
    }

    /// Where it is carried.
    pub fn stage(&self) -> &Stage {
        &self.stage
    }

    /// The agent's vendor.
    pub fn vendor(&self) -> &Ultravox {
        &self.vendor
    }

    /// How the names of this attempt's rooms begin, whoever joins them.
    pub fn room_prefix(&self) -> String {
        format!("call-{}-a{}-", self.attempt.key.short(), self.attempt.number)
    }

    /// Every dial that reached the phone.
    pub async fn dials(&self) -> Result<Vec<Call>> {
        match self.stage.stack().await.phone() {
            Ok(phone) => phone.calls_to(&self.number).await,
            Err(_) => Ok(Vec::new()),
        }
    }

    /// Waits until a task has taken the permission to ring.
    pub async fn claims_the_dial(&self) -> Result<DialClaim> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(claim) = self.folders.dial_claim(&self.attempt).await? {
                return Ok(claim);
            }
            ensure!(tokio::time::Instant::now() < deadline, "nobody takes the permission to ring");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    /// Waits until the phone's only call is as `wanted`.
    pub async fn phone(&self, what: &str, wanted: impl Fn(&Call) -> bool) -> Result<Call> {
        let stack = self.stage.stack().await;
        stack.phone()?.wait_for(&self.number, PATIENCE, wanted).await.with_context(|| what.to_owned())
    }

    /// The person hangs up now.
    pub async fn callee_hangs_up(&self) -> Result<()> {
        let call = self.phone("the callee answers", Call::is_answered).await?;
        self.stage.stack().await.phone()?.hang_up(&call.id).await
    }

    /// Waits until the vendor's only call is as `wanted`.
    pub async fn agent(&self, what: &str, wanted: impl Fn(&CallSnapshot) -> bool) -> Result<CallSnapshot> {
        let calls = self.vendor.wait_until(what, PATIENCE, |calls| calls.iter().any(&wanted)).await?;
        ensure!(calls.len() == 1, "more than one agent was created: {calls:#?}");
        calls.into_iter().next().context("no agent was created")
    }

    /// Waits until sound has flowed from the callee to the agent.
    pub async fn is_talking(&self) -> Result<()> {
        self.agent("the agent hears the callee", |agent| agent.level_received_dbfs > -60.0).await.map(drop)
    }

    /// Waits until all tasks have ended and gathers what every side says. Checks what no call may leave
    /// behind: a room, a leg, an open socket, a secret or a number where it does not belong.
    ///
    /// # Errors
    /// When it does not end, or leaves something behind.
    pub async fn ends(mut self) -> Result<EndedCall> {
        let exit_codes = self.tasks_end().await?;
        self.livekit_is_tidy().await?;
        let done = |agents: &[CallSnapshot]| agents.iter().all(|a| a.joined.is_none() || a.ended.is_some());
        self.vendor.wait_until("the agent's socket is closed", TIDY, done).await?;
        self.gather(exit_codes).await
    }

    /// The same for a call whose agent has frozen: it does not see that its socket is closed.
    ///
    /// # Errors
    /// As [`ends`](Self::ends).
    pub async fn ends_with_frozen_agent(mut self) -> Result<EndedCall> {
        let exit_codes = self.tasks_end().await?;
        self.livekit_is_tidy().await?;
        self.gather(exit_codes).await
    }

    /// The same for a call that lost its server: rooms and legs are not asked for.
    ///
    /// # Errors
    /// As [`ends`](Self::ends).
    pub async fn ends_without_server(mut self) -> Result<EndedCall> {
        let exit_codes = self.tasks_end().await?;
        self.gather(exit_codes).await
    }

    async fn tasks_end(&mut self) -> Result<Vec<Option<i32>>> {
        let mut codes = Vec::new();
        for nth in 0..self.tasks.len() {
            codes.push(self.task(nth)?.exit(LONGEST).await?.code());
        }
        Ok(codes)
    }

    async fn livekit_is_tidy(&self) -> Result<()> {
        self.stage.has_no_room(&self.room_prefix(), TIDY).await?;
        for dial in self.dials().await? {
            self.phone_leg_is_over(&dial.id).await?;
        }
        Ok(())
    }

    async fn phone_leg_is_over(&self, id: &str) -> Result<()> {
        let deadline = tokio::time::Instant::now() + TIDY;
        loop {
            let dials = self.dials().await?;
            let leg = dials.iter().find(|call| call.id == id).context("the phone forgot a call")?;
            if leg.is_over() {
                return Ok(());
            }
            ensure!(tokio::time::Instant::now() < deadline, "the task has gone, the leg has not: {leg:#?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn gather(self, exit_codes: Vec<Option<i32>>) -> Result<EndedCall> {
        let phone = self.dials().await?;
        let recording = match phone.as_slice() {
            [call] if call.is_answered() => {
                Some(self.stage.stack().await.phone()?.recording(&call.id).await?)
            }
            _ => None,
        };
        let agents = self.vendor.calls();
        let heard = agents.first().and_then(|agent| self.vendor.heard(&agent.id));
        let logs = (0..self.tasks.len()).map(|nth| self.log(nth)).collect();
        let leaks = Leaks::new(self.secrets.clone(), vec![self.number.clone(), CALLER_ID.to_owned()]);
        let kept = Kept::read(&self.folders, &self.dir, &self.attempt).await?;
        kept.holds_no(&leaks)?;
        let ended = EndedCall {
            attempt: self.attempt,
            exit_codes,
            kept,
            phone,
            recording,
            agent: agents.first().cloned(),
            agent_heard: heard,
            create_statuses: self.vendor.create_statuses(),
            logs,
        };
        for (nth, log) in ended.logs.iter().enumerate() {
            leaks.no_secret_in(&format!("log {nth}"), log)?;
            leaks.no_number_in(&format!("log {nth}"), log)?;
            says_whose(log, &ended.attempt.to_string()).with_context(|| format!("log {nth}"))?;
        }
        Ok(ended)
    }

    fn log_file(&self, nth: usize) -> PathBuf {
        self.dir.join(format!("bridge-task-{nth}.log"))
    }
}

/// Every line, from the first of the call on, says whose it is.
fn says_whose(log: &str, attempt: &str) -> Result<()> {
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    for line in lines.skip_while(|line| line["fact"].is_null()) {
        let is_of_call =
            line["attempt"] == attempt && line["callId"].is_string() && line["country"].is_string();
        ensure!(is_of_call, "a line does not say whose it is: {line}");
    }
    Ok(())
}

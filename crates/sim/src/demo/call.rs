//! One call while it lives: what its task says, line by line, and what is there at the end.

use std::sync::mpsc::TryRecvError;
use std::time::Duration;

use anyhow::{Result, bail};
use calls::ids::AttemptId;
use calls::outcome::Outcome;
use calls::plan::{CallPlan, Leg};
use cloud::call_folder::CallFolders;
use cloud::call_folder::documents::{Follow, Next, V};
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::hands::Task;
use super::screen::{Screen, Tone};
use crate::stack::{Call, Recording, Stack};
use crate::ultravox::{CallSnapshot, Ultravox};

/// Longer than any scripted call.
const LONGEST: Duration = Duration::from_secs(120);

/// A call that is over, from all sides.
pub(super) struct Finished {
    pub attempt: AttemptId,
    pub plan: CallPlan,
    /// Its task's exit code.
    pub exit: i32,
    /// What the call folder says.
    pub outcome: Option<Outcome>,
    /// What the phone says, and what it heard.
    pub phone: Vec<Call>,
    pub recording: Option<Recording>,
    /// What the agent's vendor says.
    pub agent: Option<CallSnapshot>,
}

/// Shows what the task says until it ends, then gathers what all sides have.
pub(super) async fn watch(
    task: Task,
    stack: &Stack,
    agent: &Ultravox,
    folders: &CallFolders,
    screen: &mut Screen,
) -> Result<Finished> {
    let deadline = Instant::now() + LONGEST;
    let exit = loop {
        match task.lines.try_recv() {
            Ok(line) => show(&line, screen),
            // Its output ends with it.
            Err(TryRecvError::Disconnected) => break task.ended.code().await?,
            Err(TryRecvError::Empty) if Instant::now() >= deadline => bail!("the call does not end"),
            Err(TryRecvError::Empty) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    };
    let outcome = folders.outcome(&task.attempt).await?;
    if outcome.as_ref().is_some_and(|outcome| !outcome.retryable) {
        settle(&task.attempt, folders).await?;
    }
    let phone = match &task.plan.leg {
        Leg::Outbound { to } => stack.phone()?.calls_to(to.as_e164()).await?,
        Leg::Inbound => Vec::new(),
    };
    let recording = match phone.as_slice() {
        [call] if call.is_answered() => Some(stack.phone()?.recording(&call.id).await?),
        _ => None,
    };
    let agent = outcome.as_ref().and_then(|outcome| outcome.agent_call_id.clone()).and_then(|id| {
        let calls = agent.calls();
        calls.into_iter().find(|call| call.id == id)
    });
    Ok(Finished { attempt: task.attempt, plan: task.plan, exit, outcome, phone, recording, agent })
}

/// What the settler does when nothing follows an attempt.
async fn settle(attempt: &AttemptId, folders: &CallFolders) -> Result<()> {
    let next = Next { v: V, next: Follow::Nothing, at: Timestamp::now() };
    let _ = folders.claim_next(attempt, &next).await?;
    folders.close_attempt(attempt).await?;
    Ok(())
}

/// A log line is a JSON object; what is none is shown as it is.
fn show(line: &str, screen: &mut Screen) {
    let Ok(Value::Object(fields)) = serde_json::from_str(line) else {
        return screen.line("bridge-task", Tone::Dim, "", line);
    };
    // A metric is for machines.
    if fields.contains_key("_aws") {
        return;
    }
    let field = |name: &str| fields.get(name).and_then(Value::as_str).unwrap_or_default();
    let tone = match (field("level"), field("fact")) {
        ("ERROR", _) => Tone::Bad,
        ("WARN", _) => Tone::Warning,
        (_, "said") => Tone::Speech,
        _ => Tone::Plain,
    };
    screen.line("bridge-task", tone, field("message"), field("detail"));
}

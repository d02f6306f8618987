//! `ocg hangup`: ends one call now; one that has not rung yet never will.

use std::time::Duration;

use anyhow::Context as _;
use calls::ids::{AttemptId, CallKey};
use calls::outcome::{Ending, Outcome, OutcomeKind, Reason};
use clap::Args;
use cloud::call_folder::documents::{DialClaim, Follow, Job, Next, V};
use cloud::call_folder::{Brief, CallFolders, Claimed, draw_nonce};
use cloud::profiles::{Credentials, stored_credentials};
use cloud::queue::Queue;
use jiff::Timestamp;
use rooms::Livekit;
use telemetry::call_history::About;
use tokio::time::Instant;

use crate::failure::Answer;
use crate::output::Output;
use crate::settings::Settings;
use crate::stack::Stack;
use crate::{stack, tail, which};

/// A task that is alive writes the outcome well within this after its callee was taken out of the room.
const TASK_ENDS_WITHIN: Duration = Duration::from_secs(15);
/// After that the room itself is deleted, for this long at most.
const ROOM_ENDS_WITHIN: Duration = Duration::from_secs(20);
const GLANCE: Duration = Duration::from_millis(250);

/// `ocg hangup`
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  ocg hangup 3f2a9c --stage prod")]
pub struct Hangup {
    /// The call: its key (or six characters of it), or the id that events carry.
    #[arg(value_name = "CALL")]
    call: String,
}

/// Ends it.
pub async fn run(asked: &Hangup, settings: &Settings, output: &Output) -> anyhow::Result<Answer> {
    let stack = if settings.calls.is_none() { Some(Stack::find(settings).await?) } else { None };
    let folders = match &stack {
        Some(stack) => stack.folders()?,
        None => stack::folders(settings).await?,
    };
    let found = which::find(&folders, &asked.call).await?;
    let Some(key) = found else { return Ok(tail::no_such_call(&asked.call, output)) };
    let line = Line { folders, stack, settings, output };
    line.end(&key, &asked.call).await
}

/// What it takes to end a call.
struct Line<'a> {
    folders: CallFolders,
    stack: Option<Stack>,
    settings: &'a Settings,
    output: &'a Output,
}

impl Line<'_> {
    async fn end(&self, key: &CallKey, meant: &str) -> anyhow::Result<Answer> {
        let Some(brief) = self.folders.brief(key).await? else {
            return Ok(tail::no_such_call(meant, self.output));
        };
        let Some(job) = self.folders.job(&brief.attempt).await? else {
            return Ok(tail::no_such_call(meant, self.output));
        };
        if brief.outcome.is_none() && brief.dial.is_none() {
            match self.forbid(&brief.attempt, &job).await? {
                Claimed::Ours => return self.tell(&brief.attempt, &job).await,
                Claimed::Theirs(dial) => return self.hang_up(&brief.attempt, &job, &dial).await,
            }
        }
        match brief {
            Brief { outcome: Some(outcome), attempt, .. } => {
                self.output.remark("it has ended already:");
                tail::show_end(&attempt, &outcome, self.output)?;
                Ok(Answer::No)
            }
            Brief { dial: Some(dial), attempt, .. } => self.hang_up(&attempt, &job, &dial).await,
            Brief { .. } => Ok(tail::no_such_call(meant, self.output)),
        }
    }

    /// Takes the permission to ring, so that no task ever gets it.
    async fn forbid(&self, attempt: &AttemptId, job: &Job) -> anyhow::Result<Claimed<DialClaim>> {
        let at = Timestamp::now();
        let outcome = never_dialed(attempt, job, at);
        let decision = cloud::call_folder::documents::Decision { outcome, next: Follow::Nothing };
        let dial = DialClaim {
            v: V,
            owner: draw_nonce(),
            task: "ocg hangup".to_owned(),
            room: None,
            callee_identity: None,
            agent_call_id: None,
            invite_by: at,
            deadline: at,
            failed_before_dial: None,
            decision: Some(decision),
        };
        Ok(self.folders.claim_dial(attempt, &dial).await?)
    }

    /// The rest of settling an attempt that was forbidden: outcome, upstream, what follows, `open/`.
    async fn tell(&self, attempt: &AttemptId, job: &Job) -> anyhow::Result<Answer> {
        let at = Timestamp::now();
        let outcome = never_dialed(attempt, job, at);
        let written = self.folders.claim_outcome(attempt, &draw_nonce(), &outcome).await?;
        if written.is_ours()
            && let Some(history) = self.call_history()?
            && let Some(event) = About::attempt(attempt, &job.plan, None).ended(at, &outcome)
            && let Err(problem) = history.send(&event.to_string(), &[]).await
        {
            self.output.remark(format!("upstream could not be told: {problem}"));
        }
        drop(self.folders.claim_next(attempt, &Next { v: V, next: Follow::Nothing, at }).await?);
        self.folders.close_attempt(attempt).await?;
        tail::show_end(attempt, &outcome, self.output)?;
        Ok(Answer::Yes)
    }

    fn call_history(&self) -> anyhow::Result<Option<Queue>> {
        let Some(stack) = &self.stack else { return Ok(None) };
        let url = stack.parameter("CallHistoryQueueUrl");
        Ok(url.map(|url| Queue::new(aws_sdk_sqs::Client::new(&stack.aws), url)))
    }

    /// Takes the callee out of the room, whereupon its task ends the call in good order. A task that does not is
    /// dead: then the room is deleted.
    async fn hang_up(&self, attempt: &AttemptId, job: &Job, dial: &DialClaim) -> anyhow::Result<Answer> {
        let (Some(room), None, None) = (&dial.room, &dial.failed_before_dial, &dial.decision) else {
            self.output.remark("nobody rings by this attempt; its outcome is on the way");
            return Ok(Answer::No);
        };
        let profile = &job.plan.profile;
        let keys = self.credentials(&profile.country).await?;
        let livekit = Livekit::new(&profile.livekit.url, &keys.livekit_api_key, &keys.livekit_api_secret)?;
        if let Some(identity) = &dial.callee_identity {
            livekit.remove_participant(room, identity).await.context("the phone is not hung up")?;
        }
        let deadline = Instant::now() + TASK_ENDS_WITHIN;
        while Instant::now() < deadline {
            if let Some(outcome) = self.folders.outcome(attempt).await? {
                tail::show_end(attempt, &outcome, self.output)?;
                return Ok(Answer::Yes);
            }
            tokio::time::sleep(GLANCE).await;
        }
        livekit.delete_room(room, ROOM_ENDS_WITHIN).await.context("the room is not deleted")?;
        self.output.remark(format!(
            "the line is hung up and room {room} is deleted, but the task {} has not said how the call ended: it may be \
             dead, and nobody will call again",
            dial.task
        ));
        Ok(Answer::Yes)
    }

    async fn credentials(&self, country: &str) -> anyhow::Result<Credentials> {
        match &self.stack {
            Some(stack) => {
                stored_credentials(&stack.ssm(), &stack.stage, country).await.map_err(anyhow::Error::msg)
            }
            None => Credentials::from_environment(country, &self.settings.variables).map_err(|problems| {
                let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
                crate::failure::misuse(lines.join("\n"))
            }),
        }
    }
}

/// Ended by a person before anything rang; nobody tries again.
fn never_dialed(attempt: &AttemptId, job: &Job, at: Timestamp) -> Outcome {
    let ending = Ending {
        reason: Some(Reason::Drained),
        detail: Some("an operator ended it before it was dialed".to_owned()),
        ..Ending::of(OutcomeKind::Failed)
    };
    Outcome::new(ending, attempt.number, job.made_at, at, env!("CARGO_PKG_VERSION"))
}

//! `ocg hangup`: ends one call now; one that has not rung yet never will.

use std::time::Duration;

use anyhow::Context as _;
use calls::ids::{AttemptId, CallKey};
use calls::outcome::{Ending, Outcome, OutcomeKind, Reason};
use calls::plan::Leg;
use calls::trigger::TriggerCall;
use clap::Args;
use cloud::call_folder::documents::{Decision, DialClaim, Follow, Job, Message, Next, Open, V};
use cloud::call_folder::{AttemptStanding, CallFolders, Claimed, Standing, draw_nonce};
use cloud::profiles::{Credentials, stored_credentials};
use cloud::queue::Queue;
use jiff::Timestamp;
use rooms::{Livekit, RoomsError};
use serde_json::json;
use telemetry::call_history::About;
use tokio::time::Instant;

use crate::failure::{Answer, misuse};
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
        let standing = self.folders.look(key).await?;
        let Standing { message, attempts } = standing;
        let last = attempts.into_iter().rev().find(|attempt| attempt.job.is_some());
        let Some(AttemptStanding { number, job: Some(job), dial, outcome, next, .. }) = last else {
            return match message {
                Some(message) => self.end_what_waits(&AttemptId::new(key.clone(), 1), &message).await,
                None => Ok(tail::no_such_call(meant, self.output)),
            };
        };
        let attempt = AttemptId::new(key.clone(), number);
        if job.plan.leg == Leg::Inbound {
            return Err(misuse(
                "that call came in, so its room stands in no claim: end it at its terminal (Ctrl-C), or take the \
                 caller out of the room in LiveKit's console",
            ));
        }
        let about = About::attempt(&attempt, &job.plan, None);
        let dial = match dial {
            Some(dial) => dial,
            None => match self.forbid(&attempt, job.made_at).await? {
                Claimed::Ours => return self.settle(&attempt, &about).await,
                Claimed::Theirs(dial) => dial,
            },
        };
        match (&dial.decision, &outcome) {
            // Somebody's hang-up that was not carried out to its end, perhaps.
            (Some(Decision { next: Follow::Nothing, .. }), _) if next.is_none() => {
                self.settle(&attempt, &about).await
            }
            (None, None) => self.hang_up(&attempt, &job, &dial).await,
            (Some(Decision { outcome, .. }), None) | (_, Some(outcome)) => {
                let decided = dial.decision.as_ref().map(|decision| decision.next);
                let follows = next.map(|next| next.next).or(decided);
                if let Some(answer) = self.forbid_what_follows(&attempt, &job, outcome, follows).await? {
                    return Ok(answer);
                }
                self.has_ended(&attempt, outcome)
            }
        }
    }

    fn has_ended(&self, attempt: &AttemptId, outcome: &Outcome) -> anyhow::Result<Answer> {
        self.output.remark("it has ended already:");
        tail::show_end(attempt, outcome, self.output)?;
        Ok(Answer::No)
    }

    /// A call that may not begin yet, or whose message is lost: no router has claimed an attempt, and none will dial.
    async fn end_what_waits(&self, attempt: &AttemptId, message: &Message) -> anyhow::Result<Answer> {
        let (call_id, tracking) = match TriggerCall::read(message.body.as_bytes()) {
            Ok(trigger) => (trigger.call_id, trigger.tracking),
            Err(unusable) => (unusable.call_id.clone(), unusable.tracking.clone()),
        };
        let about = About::waiting(attempt, call_id.as_deref().or(tracking.id.as_deref()), &tracking);
        match self.forbid(attempt, message.since).await? {
            Claimed::Ours => self.settle(attempt, &about).await,
            Claimed::Theirs(DialClaim {
                decision: Some(Decision { outcome, next: Follow::Nothing }),
                ..
            }) => match self.folders.look_with(attempt).await?.attempt(attempt.number) {
                Some(AttemptStanding { next: Some(_), .. }) => self.has_ended(attempt, &outcome),
                _ => self.settle(attempt, &about).await,
            },
            Claimed::Theirs(_) => {
                self.output.remark("it has just begun: ask again");
                Ok(Answer::No)
            }
        }
    }

    /// Takes the permission to ring, so that no task ever gets it.
    async fn forbid(&self, attempt: &AttemptId, since: Timestamp) -> anyhow::Result<Claimed<DialClaim>> {
        let at = Timestamp::now();
        let outcome = never_dialed(attempt, since, at);
        let decision = Decision { outcome, next: Follow::Nothing };
        let dial = DialClaim::decided("ocg hangup", at, decision);
        Ok(self.folders.claim_dial(attempt, &dial).await?)
    }

    /// Nobody is on the phone, but another attempt might follow: it does not any more. `None`: none would.
    async fn forbid_what_follows(
        &self,
        attempt: &AttemptId,
        job: &Job,
        outcome: &Outcome,
        follows: Option<Follow>,
    ) -> anyhow::Result<Option<Answer>> {
        let may_follow = outcome.retryable || outcome.outcome == OutcomeKind::Deferred;
        let number = match follows {
            Some(Follow::Attempt(number)) => number,
            Some(Follow::Deferred) => attempt.number.saturating_add(1),
            Some(Follow::Nothing | Follow::DeadLetter) => return Ok(None),
            // The settler has not said it yet; but its message may be with a router that has looked already. Only the
            // dial claim stops every one of them.
            None if may_follow => attempt.number.saturating_add(1),
            None => return Ok(None),
        };
        let following = AttemptId::new(attempt.key.clone(), number);
        let about = About::attempt(&following, &job.plan, None);
        if let Some(AttemptStanding { next: Some(_), outcome: Some(outcome), .. }) =
            self.folders.look_with(&following).await?.attempt(number)
        {
            return self.has_ended(&following, outcome).map(Some);
        }
        // Should we be broken off, its message finds the claim and is acknowledged: by its mark the sweep finds the rest.
        self.folders.open_attempt(&following, &Open { v: V, at: Timestamp::now() }).await?;
        match self.forbid(&following, job.made_at).await? {
            Claimed::Ours => {
                self.output.remark("it was to be tried again; now it is not:");
                self.settle(&following, &about).await.map(Some)
            }
            Claimed::Theirs(DialClaim { decision: Some(Decision { next: Follow::Nothing, .. }), .. }) => {
                self.settle(&following, &about).await.map(Some)
            }
            Claimed::Theirs(_) => {
                self.output.remark(format!("attempt {number} has just begun: ask again"));
                Ok(Some(Answer::No))
            }
        }
    }

    /// Carries the decision out that stands in the dial claim: outcome, upstream, what follows, `open/`. Each step can
    /// be repeated, and upstream knows an event that it has.
    async fn settle(&self, attempt: &AttemptId, about: &About) -> anyhow::Result<Answer> {
        let dial = self.folders.dial_claim(attempt).await?;
        let decided = dial.and_then(|dial| dial.decision).context("the dial claim holds no decision")?;
        let outcome = decided.outcome;
        drop(self.folders.claim_outcome(attempt, &draw_nonce(), &outcome).await?);
        self.tell_upstream(about, &outcome).await;
        let next = Next { v: V, next: decided.next, at: Timestamp::now() };
        drop(self.folders.claim_next(attempt, &next).await?);
        self.folders.close_attempt(attempt).await?;
        tail::show_end(attempt, &outcome, self.output)?;
        Ok(Answer::Yes)
    }

    async fn tell_upstream(&self, about: &About, outcome: &Outcome) {
        let url = match &self.stack {
            Some(stack) => stack.parameter("CallHistoryQueueUrl"),
            None => self.settings.variables.get("CALL_HISTORY_QUEUE_URL"),
        };
        let event = about.ended(outcome.ended_at, outcome);
        let (Some(url), Some(event)) = (url, event) else { return };
        let aws = match &self.stack {
            Some(stack) => stack.aws.clone(),
            None => stack::aws().await,
        };
        let history = Queue::new(aws_sdk_sqs::Client::new(&aws), url);
        if let Err(problem) = history.send(&event.to_string(), &[]).await {
            self.output.remark(format!("upstream could not be told: {problem}"));
        }
    }

    /// Takes the callee out of the room, whereupon its task ends the call in good order. A task that does not is
    /// dead: then the room is deleted.
    async fn hang_up(&self, attempt: &AttemptId, job: &Job, dial: &DialClaim) -> anyhow::Result<Answer> {
        let (Some(room), None) = (&dial.room, &dial.failed_before_dial) else {
            self.output.remark("nobody rings by this attempt; its outcome is on the way");
            return Ok(Answer::No);
        };
        let profile = &job.plan.profile;
        let keys = self.credentials(&profile.country).await?;
        let livekit = Livekit::new(&profile.livekit.url, &keys.livekit_api_key, &keys.livekit_api_secret)?;
        let identity = dial.callee_identity.as_deref().unwrap_or_default();
        let deadline = Instant::now() + TASK_ENDS_WITHIN;
        let mut is_removed = false;
        while Instant::now() < deadline {
            // Between the claim and the INVITE there is nobody to remove yet.
            if !is_removed {
                is_removed = match livekit.remove_participant(room, identity).await {
                    Ok(removed) => removed,
                    Err(problem @ RoomsError::Auth) => {
                        return Err(problem).context("the phone is not hung up");
                    }
                    // A bad moment of LiveKit's must not leave the line open.
                    Err(_) => false,
                };
            }
            // Nor one of the bucket's.
            if let Ok(Some(outcome)) = self.folders.outcome(attempt).await {
                // Its dial came to nothing just now, perhaps, and that alone would be tried again.
                if let Some(answer) = self.forbid_what_follows(attempt, job, &outcome, None).await? {
                    return Ok(answer);
                }
                tail::show_end(attempt, &outcome, self.output)?;
                return Ok(Answer::Yes);
            }
            tokio::time::sleep(GLANCE).await;
        }
        livekit.delete_room(room, ROOM_ENDS_WITHIN).await.context("the room is not deleted")?;
        if self.output.json {
            self.output.object(&json!({ "attempt": attempt.number, "outcome": null }))?;
        }
        self.output.remark(format!(
            "the line is hung up and room {room} is deleted, but the task {} has not said how the call ended: if it is \
             dead, nobody will call again; if it only stalled before the dial, another attempt may follow: ask again \
             then",
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
                misuse(lines.join("\n"))
            }),
        }
    }
}

/// Ended by a person before anything rang; nobody tries again.
fn never_dialed(attempt: &AttemptId, since: Timestamp, at: Timestamp) -> Outcome {
    let ending = Ending {
        reason: Some(Reason::Drained),
        detail: Some("an operator ended it before it was dialed".to_owned()),
        ..Ending::of(OutcomeKind::Failed)
    };
    Outcome::new(ending, attempt.number, since, at, env!("CARGO_PKG_VERSION"))
}

//! A message, and what became of it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calls::fact::Fact;
use calls::ids::{AttemptId, CallKey};
use calls::outcome::Outcome;
use cloud::call_folder::{AttemptStanding, draw_nonce};
use rustix::process::Signal;
use serde_json::json;
use sim::stack::Call;

use super::{Carrier, Cloud, PATIENCE, wait_for};

/// A task that is gone is heard of at once; what nobody tells, the sweep finds.
const ENDED_WITHIN: Duration = Duration::from_secs(90);

/// A message for upstream's queue, and the call that it becomes.
pub struct Sent<'a> {
    cloud: &'a Cloud,
    /// Upstream's id.
    pub id: String,
    /// Who is called.
    pub number: String,
    /// The message.
    pub body: String,
    /// Its first attempt.
    pub attempt: AttemptId,
}

impl<'a> Sent<'a> {
    pub(super) fn new(cloud: &'a Cloud, number: &str) -> Self {
        Self::known(cloud, draw_nonce().0, number)
    }

    /// A message of this id to this number, sent or not.
    pub(super) fn known(cloud: &'a Cloud, id: String, number: &str) -> Self {
        let body = json!({
            "messageType": "TRIGGER_CALL",
            "id": id,
            "source": "campaigns",
            "metadata": {
                "campaignId": "deployed",
                "phoneNumbers": [{ "number": number }],
                "subject": { "prompt": { "text": "You confirm an appointment." } },
            },
        });
        let attempt = AttemptId::new(CallKey::from_ids(None, None, &id), 1);
        Self { cloud, id, number: number.to_owned(), body: body.to_string(), attempt }
    }

    /// What [`Cloud::known_call`] knows it by again, for who changes the cloud meanwhile.
    pub fn names(&self) -> (String, String) {
        (self.id.clone(), self.number.clone())
    }

    /// Puts it on the queue.
    pub async fn send(self) -> Result<Self> {
        self.cloud.send(&self.body).await?;
        Ok(self)
    }

    /// The same, with a W3C `traceparent`.
    pub async fn send_within(self, traceparent: &str) -> Result<Self> {
        self.cloud.send_within(&self.body, traceparent).await?;
        Ok(self)
    }

    /// Waits for the attempt's outcome, and that its task has ended.
    pub async fn outcome(&self) -> Result<Outcome> {
        let what = format!("{} has an outcome", self.attempt);
        let outcome =
            wait_for(&what, PATIENCE, async || Ok(self.cloud.folders.outcome(&self.attempt).await?));
        let outcome = outcome.await.with_context(|| self.said())?;
        wait_for("its task has stopped", PATIENCE, async || {
            let tasks = self.cloud.tasks_of(&self.attempt).await;
            Ok(tasks.iter().all(|task| task["lastStatus"] == "STOPPED").then_some(()))
        })
        .await?;
        Ok(outcome)
    }

    /// Waits until its last attempt has an outcome, and no leg and no room of it is left. Gives what the folder of that
    /// attempt holds.
    pub async fn has_ended(&self) -> Result<AttemptStanding> {
        let what = format!("{} has ended", self.attempt);
        let ended = wait_for(&what, ENDED_WITHIN, async || {
            let mut standing = self.cloud.folders.look(&self.attempt.key).await?;
            if standing.attempts.iter().any(|attempt| attempt.outcome.is_none()) {
                return Ok(None);
            }
            // A server that was killed may not have come back yet.
            let Ok(rooms) = self.cloud.stack.rooms().await else { return Ok(None) };
            let legs = self.dials().await?;
            let is_left = |leg: &Call| !leg.is_over() || rooms.contains(&leg.room);
            let mine = standing.attempts.iter().filter_map(|attempt| attempt.dial.as_ref()?.room.as_ref());
            let has_room = mine.into_iter().any(|room| rooms.contains(room));
            Ok(if has_room || legs.iter().any(is_left) { None } else { standing.attempts.pop() })
        });
        ended.await.with_context(|| self.said())
    }

    /// Sends its tasks a signal, as if their machine did.
    pub fn signal_tasks(&self, signal: Signal) -> Result<()> {
        let signalled = self.cloud.deployment.ecs.signal(&self.attempt.to_string(), signal);
        ensure!(signalled == 1, "{signalled} tasks of {} are running", self.attempt);
        Ok(())
    }

    /// Whether anything of it was claimed.
    pub async fn is_claimed(&self) -> Result<bool> {
        Ok(self.cloud.folders.look(&self.attempt.key).await?.message.is_some())
    }

    /// Every dial that reached the phone.
    pub async fn dials(&self) -> Result<Vec<Call>> {
        self.cloud.stack.phone()?.calls_to(&self.number).await
    }

    /// What its first attempt's folder holds now.
    pub async fn folder(&self) -> Result<AttemptStanding> {
        let standing = self.cloud.folders.look(&self.attempt.key).await?;
        standing.attempts.into_iter().next().context("it has no attempt")
    }

    /// Waits until its folder tells of something like this, so often; more often is an error.
    pub async fn tells(&self, what: &str, times: usize, is_meant: impl Fn(&Fact) -> bool) -> Result<()> {
        let noted = wait_for(what, PATIENCE, async || {
            let facts = self.cloud.folders.facts(&self.attempt).await?;
            let noted = facts.iter().filter(|line| is_meant(&line.fact)).count();
            Ok((noted >= times).then_some(noted))
        });
        let noted = noted.await.with_context(|| self.said())?;
        ensure!(noted == times, "{what}: {noted} times and not {times}");
        Ok(())
    }

    /// Waits until the phone's only call of it is as `wanted`.
    pub async fn phone(&self, what: &str, wanted: impl Fn(&Call) -> bool) -> Result<Call> {
        let phone = self.cloud.stack.phone()?;
        phone
            .wait_for(&self.number, Duration::from_secs(30), wanted)
            .await
            .with_context(|| format!("{what}\n{}", self.said()))
    }

    /// The person hangs up.
    pub async fn callee_hangs_up(&self) -> Result<()> {
        let call = self.phone("the callee answers", Call::is_answered).await?;
        self.cloud.stack.phone()?.hang_up(&call.id).await
    }

    /// One task, or the worker and none, and one dial, whatever happened on the way; and nothing in a log that must
    /// not be there.
    pub async fn rang_once(&self) -> Result<()> {
        let tasks = self.cloud.tasks_of(&self.attempt).await;
        let wanted = match self.cloud.carrier {
            Carrier::Split => 1,
            Carrier::Worker(_) => 0,
        };
        ensure!(tasks.len() == wanted, "{tasks:#?}");
        self.rang_once_whoever_carried_it().await
    }

    /// One dial; and nothing in a log that must not be there.
    pub async fn rang_once_whoever_carried_it(&self) -> Result<()> {
        let dials = self.dials().await?;
        ensure!(dials.len() == 1, "{} dials: {dials:#?}\n{}", dials.len(), self.said());
        self.cloud.leaks_nothing(&self.number)
    }

    /// What its tasks have logged, for who looks for the reason.
    fn said(&self) -> String {
        let attempt = self.attempt.to_string();
        let lines = self.cloud.logs().into_iter().filter(|text| text.contains(&attempt));
        lines
            .map(|text| text.lines().rev().take(80).map(|line| format!("{line}\n")).collect::<String>())
            .collect()
    }
}

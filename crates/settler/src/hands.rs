//! One attempt being settled: the effects, performed.

use agents::Agent;
use calls::fact::{Fact, TaskPhases};
use calls::ids::AttemptId;
use calls::outcome::{Outcome, Reason};
use calls::plan::CallPlan;
use calls::routing::{Claim, DeadLetter};
use calls::settle::{Cause, Effect, Input, Settled, Settling};
use calls::trigger::{Refusal, Tracking, TriggerCall};
use cloud::call_folder::{AttemptStanding, FactsWriter, Standing, draw_nonce};
use cloud::queue::attributes::Attribute;
use cloud::queue::dead_letter;
use jiff::Timestamp;
use rooms::Livekit;
use serde_json::Value;
use telemetry::CallContext;
use telemetry::call_history::About;
use telemetry::metrics::Place;
use telemetry::traces::TRACEPARENT;
use tokio::time::{Instant, timeout};

use crate::{ASIDE_WITHIN, ROOM_WITHIN, Settler};

/// One attempt being settled.
pub(crate) struct Hands<'a> {
    pub(crate) settler: &'a Settler,
    pub(crate) settling: Settling,
    /// What the first look at the folder gave, if somebody has had it already.
    seen: Option<Standing>,
    /// The folder as it was loaded.
    pub(crate) standing: Standing,
    pub(crate) facts: Vec<(Timestamp, Fact)>,
    /// The outcome, if it is ours.
    pub(crate) written: Option<Outcome>,
    /// How its task's start went, if that is known.
    pub(crate) phases: Option<TaskPhases>,
}

impl<'a> Hands<'a> {
    pub(crate) fn of(
        settler: &'a Settler,
        attempt: &AttemptId,
        cause: Cause,
        seen: Option<Standing>,
    ) -> Self {
        let settling = Settling::new(attempt.clone(), cause, settler.policy, Timestamp::now());
        Self {
            settler,
            settling,
            seen,
            standing: Standing::default(),
            facts: Vec::new(),
            written: None,
            phases: None,
        }
    }

    /// To the end.
    pub(crate) async fn settle(mut self) -> Settled {
        let settled = loop {
            match self.settling.poll_effect() {
                Some(Effect::Record(fact)) => self.record(fact),
                Some(Effect::Finish(settled)) => break settled,
                Some(effect) => {
                    let answer = self.perform(effect).await;
                    self.settling.handle(answer);
                }
                // The core always ends; should it not, it is tried again.
                None => break Settled::Retry("settling ended without a word".to_owned()),
            }
        };
        if matches!(settled, Settled::Done(Some(_))) {
            self.tell_afterwards().await;
        }
        tokio::join!(self.write_facts(), self.send_trace());
        settled
    }

    async fn perform(&mut self, mut effect: Effect) -> Input {
        if let Effect::PutOutcome(_, outcome) = &mut effect {
            outcome.cost = self.cost_as_recorded().await;
        }
        let wanted = effect.clone();
        let answer = match self.settler.folders.settle(effect, &self.settler.name).await {
            Ok(answer) => answer,
            Err(Effect::LoadFolder(_)) => Input::Folder(self.load().await),
            Err(Effect::DeleteRoom(_, room)) => Input::Done(self.delete_room(&room).await),
            Err(Effect::EndAgent(attempt, id)) => {
                let ended = self.end_agent(&id).await;
                if let Err(detail) = &ended {
                    tracing::warn!(%attempt, detail, "the agent's call is not ended; it ends by itself, unattended");
                }
                Input::Done(ended)
            }
            Err(Effect::Tell(attempt, outcome)) => {
                self.tell_of(&attempt, &outcome).await;
                Input::Done(Ok(()))
            }
            Err(Effect::SendAttempt { attempt, delay }) => Input::Done(self.send(&attempt, delay).await),
            Err(Effect::SendDeadLetter { attempt, refusal }) => {
                Input::Done(self.bury(attempt, refusal).await)
            }
            // The folder does everything else, and nothing waits for an answer to the rest.
            Err(_) => Input::Done(Ok(())),
        };
        if let (Effect::PutOutcome(_, outcome), Input::Claimed(Claim::Ours)) = (wanted, &answer) {
            self.count(&outcome);
            if let Some(cost) = outcome.cost.clone() {
                self.record(Fact::Cost(cost));
            }
            self.record(Fact::OutcomeWritten);
            self.written = Some(*outcome);
        }
        answer
    }

    async fn load(&mut self) -> Result<calls::settle::Folder, String> {
        let loaded = match self.seen.take() {
            Some(seen) => seen,
            None => {
                let looked = self.settler.folders.look_with(self.settling.attempt()).await;
                looked.map_err(|error| error.to_string())?
            }
        };
        self.standing = loaded;
        Ok((&self.standing).into())
    }

    async fn delete_room(&mut self, room: &str) -> Result<(), String> {
        let begun = Instant::now();
        let deleted = self.livekit().await;
        let deleted = match deleted {
            Ok(livekit) => livekit.delete_room(room, ROOM_WITHIN).await.map_err(|error| error.to_string()),
            Err(detail) => Err(detail),
        };
        match deleted {
            Ok(()) => {
                let took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
                self.record(Fact::RoomDeleted { took_ms });
                Ok(())
            }
            Err(detail) => {
                self.record(Fact::RoomDeleteFailed { detail: detail.clone() });
                Err(format!("room {room} is not deleted: {detail}"))
            }
        }
    }

    async fn livekit(&self) -> Result<Livekit, String> {
        let profile = &self.plan()?.profile;
        let keys = self.settler.credentials.of(&profile.country).await?;
        Livekit::new(&profile.livekit.url, &keys.livekit_api_key, &keys.livekit_api_secret)
            .map_err(|error| error.to_string())
    }

    async fn end_agent(&self, agent_call_id: &str) -> Result<(), String> {
        let profile = &self.plan()?.profile;
        let keys = self.settler.credentials.of(&profile.country).await?;
        let agent = Agent::for_profile(&profile.agent).map_err(|failure| failure.to_string())?;
        agent.end(agent_call_id, &keys.agent_api_key).await.map_err(|failure| failure.to_string())
    }

    /// Of a message that was given up, upstream is told with its letter, and not twice.
    async fn tell_of(&self, attempt: &AttemptId, outcome: &Outcome) {
        let is_of_the_letter = outcome.reason.as_deref() == Some(Reason::Refused.as_str());
        let Ok(plan) = self.plan() else { return };
        let room = self.seen_of().and_then(|seen| seen.dial.as_ref()?.room.as_deref());
        let event = About::attempt(attempt, plan, room).ended(outcome.ended_at, outcome);
        if let Some(event) = event.filter(|_| !is_of_the_letter) {
            self.tell(&event).await;
        }
    }

    /// Best effort: an event that upstream misses never keeps a call from being settled.
    async fn tell(&self, event: &Value) {
        let Some(history) = &self.settler.call_history else { return };
        let problem = match timeout(ASIDE_WITHIN, history.send(&event.to_string(), &[])).await {
            Ok(sent) => sent.err().map(|error| error.to_string()),
            Err(_) => Some(format!("no answer within {} s", ASIDE_WITHIN.as_secs())),
        };
        if let Some(detail) = problem {
            let attempt = self.settling.attempt();
            tracing::warn!(%attempt, detail, "upstream is not told how an attempt ended");
        }
    }

    async fn send(&self, attempt: &AttemptId, delay: std::time::Duration) -> Result<(), String> {
        let message = self.standing.message.as_ref().ok_or(NO_MESSAGE)?;
        let trace = message.attributes.get(TRACEPARENT).map(String::as_str);
        let sent = self.settler.queue.send_again(attempt, &message.body, delay, trace).await;
        sent.map(drop).map_err(|error| error.to_string())
    }

    /// The body as it came, with our attributes; then upstream is told.
    async fn bury(&mut self, attempt: AttemptId, refusal: Refusal) -> Result<(), String> {
        let message = self.standing.message.as_ref().ok_or(NO_MESSAGE)?;
        let (at, key) = (Timestamp::now(), attempt.key.clone());
        let (call_id, tracking) = self.who();
        let letter = DeadLetter {
            refusal,
            attempt,
            original_message_id: message.sqs_message_id.clone().unwrap_or_default(),
            call_id: call_id.filter(|id| id != key.as_str()),
            tracking,
        };
        let own = message.attributes.iter().filter_map(|(name, text)| Attribute::text(name, text)).collect();
        let version = env!("CARGO_PKG_VERSION");
        let attributes = dead_letter::attributes(&letter, own, message.body.len(), at, version);
        let sent = self.settler.dead_letters.send(&message.body, &attributes).await;
        sent.map_err(|error| error.to_string())?;
        if let Some(tracking) = &letter.tracking {
            let about = About::refused(&key, letter.call_id.as_deref(), tracking);
            self.tell(&about.refusal(at, &letter.refusal)).await;
        }
        let Refusal { code, detail, path } = letter.refusal;
        self.record(Fact::MessageRefused { code: code.as_str().to_owned(), path, detail });
        Ok(())
    }

    /// The id that upstream knows the call by, and what it wants to see again.
    fn who(&self) -> (Option<String>, Option<Tracking>) {
        if let Some(job) = self.standing.attempts.iter().rev().find_map(|attempt| attempt.job.as_ref()) {
            return (Some(job.plan.call_id.clone()), Some(job.plan.tracking.clone()));
        }
        let body = self.standing.message.as_ref().map(|message| message.body.as_bytes()).unwrap_or_default();
        let (call_id, tracking) = match TriggerCall::read(body) {
            Ok(trigger) => (trigger.call_id, Some(trigger.tracking)),
            Err(unusable) => {
                (unusable.call_id.clone(), unusable.has_metadata.then(|| unusable.tracking.clone()))
            }
        };
        let upstreams = tracking.as_ref().and_then(|tracking| tracking.id.clone());
        (call_id.or(upstreams).filter(|id| !id.is_empty()), tracking)
    }

    pub(crate) fn seen_of(&self) -> Option<&AttemptStanding> {
        self.standing.attempt(self.settling.attempt().number)
    }

    /// What was dialed, or would have been.
    pub(crate) fn plan(&self) -> Result<&CallPlan, String> {
        let job = self.seen_of().and_then(|seen| seen.job.as_ref());
        job.map(|job| &job.plan).ok_or_else(|| "the attempt has no job.json".to_owned())
    }

    /// A task counts its own outcomes.
    fn count(&self, outcome: &Outcome) {
        if let Ok(plan) = self.plan() {
            self.settler.meters.outcome(Timestamp::now(), &Place::of(&plan.profile), outcome);
        }
    }

    /// Logs a fact, and keeps it for the folder.
    pub(crate) fn record(&mut self, fact: Fact) {
        let attempt = self.settling.attempt();
        let plan = self.plan().ok();
        let context = CallContext {
            call_id: plan.map_or_else(|| attempt.key.to_string(), |plan| plan.call_id.clone()),
            attempt: attempt.to_string(),
            country: plan.map(|plan| plan.profile.country.clone()).unwrap_or_default(),
            words: false,
        };
        telemetry::log(&context, &fact);
        let (at, place) = (Timestamp::now(), plan.map(|plan| Place::of(&plan.profile)));
        self.settler.meters.fact(at, place.as_ref(), &fact);
        self.facts.push((at, fact));
    }

    /// What was done about a call goes into its folder. That something will be tried again does not: a sweep might say
    /// so every few minutes, for days.
    async fn write_facts(&self) {
        let is_news = |(_, fact): &(Timestamp, Fact)| {
            matches!(fact, Fact::TaskStopped { .. } | Fact::Settled { .. } | Fact::OutcomeWritten)
        };
        if !self.facts.iter().any(is_news) {
            return;
        }
        let (folders, attempt) = (self.settler.folders.clone(), self.settling.attempt().clone());
        let mut writer = FactsWriter::start(folders, attempt, draw_nonce());
        for (at, fact) in &self.facts {
            writer.note(*at, fact.clone());
        }
        if let Err(error) = writer.close(ASIDE_WITHIN).await {
            tracing::warn!(detail = %error, "the facts of a settlement were not written");
        }
    }
}

const NO_MESSAGE: &str = "the call has no message.json that could be sent again";

//! One message on its way: the effects of routing, performed.

use std::collections::BTreeMap;

use calls::fact::Fact;
use calls::routing::{DeadLetter, Effect, Input, Routing, Verdict};
use cloud::call_folder::{FactsWriter, Signature, draw_nonce};
use cloud::queue::attributes::Attribute;
use cloud::queue::{Received, dead_letter};
use jiff::Timestamp;
use serde_json::Value;
use telemetry::CallContext;
use telemetry::call_history::About;
use telemetry::metrics::Place;
use telemetry::traces::{Process, TRACEPARENT, Trace};

use crate::paces::Limits;
use crate::{ASIDE_WITHIN, Launch, Router};

/// One message on its way.
pub(crate) struct Way<'a> {
    router: &'a Router,
    routing: Routing,
    body: &'a str,
    attributes: &'a [Attribute],
    signature: Signature,
    facts: Vec<(Timestamp, Fact)>,
    /// What upstream is to be told, once the letter is sent.
    refusal: Option<Value>,
    /// What upstream calls it, and its country: once it is accepted.
    known: Option<(String, String)>,
    /// Where it goes: once it is claimed.
    place: Option<Place>,
    began: Timestamp,
    /// Its part of a trace: of a message that became an attempt.
    trace: Option<Trace>,
}

impl<'a> Way<'a> {
    /// At its beginning.
    pub(crate) fn of(router: &'a Router, message: &'a Received) -> Self {
        let texts = message
            .attributes
            .iter()
            .filter_map(|attribute| Some((attribute.name.clone(), attribute.as_text()?.to_owned())));
        let signature = Signature {
            name: router.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            attributes: texts.collect::<BTreeMap<_, _>>(),
        };
        let routing = Routing::new(message.delivery(), router.policy, Timestamp::now());
        let (facts, refusal) = (Vec::new(), None);
        Self {
            router,
            routing,
            body: &message.body,
            attributes: &message.attributes,
            signature,
            facts,
            refusal,
            known: None,
            place: None,
            began: message.sent_at,
            trace: None,
        }
    }

    /// Goes on to the verdict.
    pub(crate) async fn walk(&mut self, launch: &impl Launch) -> Verdict {
        while let Some(effect) = self.routing.poll_effect() {
            match effect {
                Effect::Record(fact) => self.record(fact),
                Effect::Finish(verdict) => return verdict,
                effect => {
                    let answer = self.perform(effect, launch).await;
                    self.routing.handle(answer);
                }
            }
        }
        // The core always ends with a verdict; should it not, nothing is lost.
        Verdict::Retry("routing ended without a verdict".to_owned())
    }

    /// Routing itself has come to a verdict.
    pub(crate) fn has_ended(&self) -> bool {
        self.routing.is_over()
    }

    /// What upstream is to be told of a refusal.
    pub(crate) fn refusal(&self) -> Option<&Value> {
        self.refusal.as_ref()
    }

    async fn perform(&mut self, effect: Effect, launch: &impl Launch) -> Input {
        if let Effect::PutJob { plan, .. } = &effect {
            self.known = Some((plan.call_id.clone(), plan.profile.country.clone()));
            self.place = Some(Place::of(&plan.profile));
            self.begin_trace();
        }
        match self.router.folders.route(effect, &self.signature).await {
            Ok(input) => input,
            Err(Effect::LoadProfiles { fresh }) => self.load_profiles(fresh).await,
            Err(Effect::Launch(attempt)) => Input::Launched(launch.launch(&attempt).await),
            Err(Effect::SendDeadLetter(letter)) => Input::LetterSent(self.bury(&letter).await),
            Err(Effect::TakePlace { attempt, country, at_once, per_second }) => {
                let limits = Limits { at_once, per_second };
                Input::Place(self.router.paces.take(&self.router.folders, &attempt, &country, limits).await)
            }
            Err(Effect::PutBack { attempt, nth, delay }) => {
                let trace = self.signature.attributes.get(TRACEPARENT).map(String::as_str);
                let sent = self.router.queue.put_back(&attempt, nth, self.body, delay, trace).await;
                Input::PutBack(sent.map(drop).map_err(|error| error.to_string()))
            }
            // The folder does everything else, and nothing waits for an answer to the rest.
            Err(_) => Input::Stored(Ok(())),
        }
    }

    async fn load_profiles(&mut self, fresh: bool) -> Input {
        match self.router.profiles.get(fresh).await {
            Ok(known) => {
                if let Some((age_seconds, detail)) = known.stale {
                    self.record(Fact::ProfilesStale { age_seconds, detail });
                }
                Input::Profiles(Ok(known.profiles))
            }
            Err(detail) => Input::Profiles(Err(detail)),
        }
    }

    /// The body as it came, with our attributes.
    async fn bury(&mut self, letter: &DeadLetter) -> Result<(), String> {
        let (at, version) = (Timestamp::now(), &self.signature.version);
        let attributes =
            dead_letter::attributes(letter, self.attributes.to_vec(), self.body.len(), at, version);
        self.router.dead_letters.send(self.body, &attributes).await.map_err(|error| error.to_string())?;
        self.refusal = letter.tracking.as_ref().map(|tracking| {
            let about = About::refused(&letter.attempt.key, letter.call_id.as_deref(), tracking);
            about.refusal(at, &letter.refusal)
        });
        Ok(())
    }

    /// Logs a fact, and keeps it for the folder.
    pub(crate) fn record(&mut self, fact: Fact) {
        let attempt = self.routing.attempt();
        if let Fact::MessageAccepted { call_id, country, .. } = &fact {
            self.known = Some((call_id.clone(), country.clone()));
        }
        let (call_id, country) =
            self.known.clone().unwrap_or_else(|| (attempt.key.to_string(), String::new()));
        let context = CallContext { call_id, attempt: attempt.to_string(), country, words: false };
        telemetry::log(&context, &fact);
        let at = Timestamp::now();
        self.router.meters.fact(at, self.place.as_ref(), &fact);
        if let Some(trace) = &mut self.trace {
            trace.note(at, &fact);
        }
        self.facts.push((at, fact));
    }

    fn begin_trace(&mut self) {
        let Some(traces) = &self.router.traces else { return };
        let upstream = self.signature.attributes.get(TRACEPARENT).map(String::as_str);
        self.trace = Some(traces.within(upstream).begin(Process::Route, &self.routing.attempt(), self.began));
    }

    /// Tells what there is of the call's trace.
    pub(crate) async fn send_trace(&self) {
        if let (Some(traces), Some(trace)) = (&self.router.traces, &self.trace) {
            traces.send(trace.clone().take(Timestamp::now())).await;
        }
    }

    /// What happened goes into the call's folder, if there is one. A refusal leaves none.
    pub(crate) async fn write_facts(&self, verdict: &Verdict) {
        let in_folder = |(_, fact): &(Timestamp, Fact)| {
            matches!(
                fact,
                Fact::AttemptClaimed { .. }
                    | Fact::DuplicateDelivery
                    | Fact::Continued { .. }
                    | Fact::DuplicateMessage
                    | Fact::Deferred { .. }
            )
        };
        if !matches!(verdict, Verdict::Done) && !self.facts.iter().any(in_folder) {
            return;
        }
        let folders = self.router.folders.clone();
        let mut writer = FactsWriter::start(folders, self.routing.attempt(), draw_nonce());
        for (at, fact) in &self.facts {
            writer.note(*at, fact.clone());
        }
        if let Err(error) = writer.close(ASIDE_WITHIN).await {
            tracing::warn!(detail = %error, "a message's facts were not written");
        }
    }
}

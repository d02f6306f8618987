//! What is told of an attempt outside of its call folder: CALL_HISTORY to upstream, and metrics. Best effort: the
//! call folder alone is the truth, and nothing here makes a call wait.

mod history;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use calls::fact::Fact;
use calls::ids::AttemptId;
use calls::outcome::Outcome;
use calls::plan::{CallPlan, Leg};
use cloud::queue::Queue;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use telemetry::call_history::About;
use telemetry::metrics::{Meters, Place};
use telemetry::traces::{Process, Trace, Traces};

use history::History;
#[cfg(test)]
pub use history::tests::Stand;

/// How long a process whose call is over still tries to tell upstream.
const CLOSE_CAP: Duration = Duration::from_secs(5);
/// Events are put in order by their times, which are whole milliseconds.
const NEXT_MOMENT: SignedDuration = SignedDuration::from_millis(1);

/// Where reports go. Nowhere, if nothing is set.
#[derive(Clone, Debug, Default)]
pub struct Ways {
    /// To upstream.
    pub call_history: Option<Queue>,
    /// Where it is measured.
    pub meters: Meters,
    /// Where its part of the call's trace goes.
    pub traces: Option<Traces>,
}

/// The reports of one attempt. Clones report together.
#[derive(Clone, Debug)]
pub struct Reports(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    about: About,
    place: Place,
    meters: Meters,
    history: Option<History>,
    call_history: Option<Queue>,
    trace: Option<(Traces, Mutex<Trace>)>,
    told: Mutex<Told>,
}

#[derive(Debug)]
struct Told {
    /// The time of the last event.
    last: Timestamp,
    /// The one terminal event was told.
    ended: bool,
}

impl Reports {
    /// Reports of an attempt at this call, in `room` if there is one yet. Upstream asked for no call that comes in,
    /// and hears of none. Must be called within a tokio runtime.
    pub fn start(ways: Ways, attempt: &AttemptId, plan: &CallPlan, room: Option<&str>) -> Self {
        let ways = if plan.leg == Leg::Inbound { Ways::default() } else { ways };
        let trace = ways.traces.map(|traces| {
            let trace = traces.begin(Process::Call, attempt, Timestamp::now());
            (traces, Mutex::new(trace))
        });
        Self(Arc::new(Inner {
            trace,
            about: About::attempt(attempt, plan, room),
            place: Place::of(&plan.profile),
            meters: ways.meters,
            call_history: ways.call_history.clone(),
            history: ways.call_history.map(History::start),
            told: Mutex::new(Told { last: Timestamp::MIN, ended: false }),
        }))
    }

    /// The same reports by a way of their own, for a thread that cannot wait for what this one's has to send. Must be
    /// called within its tokio runtime.
    pub fn anew(&self) -> Self {
        let Inner { about, place, meters, call_history, .. } = &*self.0;
        let told = Told { last: self.told().last, ended: false };
        Self(Arc::new(Inner {
            trace: None,
            about: about.clone(),
            place: place.clone(),
            meters: meters.clone(),
            history: call_history.clone().map(History::start),
            call_history: call_history.clone(),
            told: Mutex::new(told),
        }))
    }

    /// Tells of a fact, if anybody is told of such.
    pub fn fact(&self, at: Timestamp, fact: &Fact) {
        self.0.meters.fact(at, Some(&self.0.place), fact);
        self.in_trace(|trace| trace.note(at, fact));
        let mut told = self.told();
        let at = told.next_moment(at);
        let event = self.0.about.event(at, fact);
        if event.is_some() {
            told.last = at;
        }
        drop(told);
        self.tell(event);
    }

    /// Tells how the attempt ended: by the outcome that this process wrote. The first one counts.
    pub fn outcome(&self, outcome: &Outcome) {
        let mut told = self.told();
        if std::mem::replace(&mut told.ended, true) {
            return;
        }
        let at = told.next_moment(outcome.ended_at);
        drop(told);
        self.tell(self.0.about.ended(at, outcome));
        self.0.meters.outcome(at, &self.0.place, outcome);
        self.in_trace(|trace| trace.outcome(outcome));
    }

    /// The `traceparent` of requests to vendors, if there is a trace.
    pub fn traceparent(&self) -> Option<String> {
        self.in_trace(|trace| trace.parent_of_requests())
    }

    /// Waits until upstream was told, but not for long. What is told later is not heard.
    pub async fn close(&self) {
        tokio::join!(self.close_history(), self.send_trace());
    }

    async fn send_trace(&self) {
        let spans = self.in_trace(|trace| trace.take(Timestamp::now()));
        if let (Some((traces, _)), Some(spans)) = (&self.0.trace, spans) {
            traces.send(spans).await;
        }
    }

    fn in_trace<T>(&self, doing: impl FnOnce(&mut Trace) -> T) -> Option<T> {
        let (_, trace) = self.0.trace.as_ref()?;
        Some(doing(&mut trace.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    async fn close_history(&self) {
        if let Some(history) = &self.0.history {
            let left = history.close(CLOSE_CAP).await;
            if left > 0 {
                tracing::error!(detail = format!("{left} events were not sent"), "upstream not told");
            }
        }
    }

    fn tell(&self, event: Option<Value>) {
        if let (Some(history), Some(event)) = (&self.0.history, event) {
            history.tell(event.to_string());
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    /// This time, or the first one after the event before: clocks are set back, too.
    fn next_moment(&self, at: Timestamp) -> Timestamp {
        at.max(self.last.checked_add(NEXT_MOMENT).unwrap_or(at))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use calls::ids::CallKey;
    use calls::outcome::{EndReason, Ending, OutcomeKind};
    use calls::phone::PhoneNumber;
    use calls::profile::CountryProfile;
    use calls::trigger::Tracking;

    use super::*;

    /// A plan for Brazil that leads nowhere.
    pub(crate) fn plan(leg: Leg) -> CallPlan {
        let profile = CountryProfile::from_json(
            r#"{"country":"BR","livekit":{"url":"ws://127.0.0.1:9","trunkId":"ST_1","callerId":"+551130000000"},
                "agent":{"voice":"Ana"}}"#,
        );
        CallPlan {
            call_id: "c".into(),
            leg,
            profile: profile.unwrap(),
            system_prompt: "Be kind.".into(),
            greeting_message: None,
            tracking: Tracking::default(),
        }
    }

    fn outbound() -> Leg {
        Leg::Outbound { to: PhoneNumber::parse("+5511987654321").unwrap() }
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_millisecond(ms).unwrap()
    }

    fn outcome(end_reason: EndReason) -> Outcome {
        let ending = Ending { end_reason: Some(end_reason), ..Ending::of(OutcomeKind::Answered) };
        Outcome::new(ending, 1, at(0), at(2_000), "0.1.0")
    }

    /// `(createdAt, status)` of what upstream was told, after this.
    async fn told(leg: Leg, tell: impl FnOnce(&Reports)) -> Vec<(String, String)> {
        let stand = Stand::that_fails(0).await;
        let id = AttemptId::new(CallKey::from_sqs_message("m"), 1);
        let ways = Ways { call_history: Some(stand.queue()), meters: Meters::default(), traces: None };
        let reports = Reports::start(ways, &id, &plan(leg), Some("room"));
        tell(&reports);
        reports.close().await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let events = stand.taken().into_iter().map(|body| serde_json::from_str::<Value>(&body).unwrap());
        events.map(|event| (text(&event["createdAt"]), text(&event["metadata"]["status"]))).collect()
    }

    #[tokio::test]
    async fn an_answered_call_is_told_in_an_order_that_its_times_keep() {
        let events = told(outbound(), |reports| {
            let dialing = Fact::Dialing {
                to: PhoneNumber::parse("+5511987654321").unwrap().masked(),
                trunk: "ST_1".into(),
                ring_seconds: 30,
            };
            reports.fact(at(1_000), &dialing);
            reports.fact(at(1_000), &Fact::Ringing { after_ms: 0 });
            // The clock was set back, then stood still.
            reports.fact(at(400), &Fact::Answered { after_ms: 5 });
            reports.fact(at(400), &Fact::BridgeActive);
            reports.outcome(&outcome(EndReason::CalleeHangup));
            reports.outcome(&outcome(EndReason::BridgeError));
        });
        let wanted = [
            ("1970-01-01T00:00:01.000Z", "CALL_ATTEMPT_STARTED"),
            ("1970-01-01T00:00:01.001Z", "SIP_DIAL_ANSWERED"),
            ("1970-01-01T00:00:01.002Z", "SIP_BRIDGE_ACTIVE"),
            ("1970-01-01T00:00:02.000Z", "SIP_CALL_ENDED"),
        ];
        assert_eq!(events.await, wanted.map(|(at, status)| (at.to_owned(), status.to_owned())));
    }

    #[tokio::test]
    async fn upstream_hears_nothing_of_a_call_that_came_in() {
        let events = told(Leg::Inbound, |reports| {
            reports.fact(at(1), &Fact::Answered { after_ms: 5 });
            reports.outcome(&outcome(EndReason::CalleeHangup));
        });
        assert_eq!(events.await, []);
    }
}

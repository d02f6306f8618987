//! CALL_HISTORY: what upstream is told of a call's life. Pure: facts and outcomes become messages; who
//! sends them is another matter.

use calls::fact::Fact;
use calls::ids::{AttemptId, CallKey};
use calls::outcome::{Outcome, OutcomeKind, Reason};
use calls::phone::PhoneNumber;
use calls::plan::{CallPlan, Leg};
use calls::trigger::{Refusal, RefusalCode, Tracking};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The namespace of our event ids (RFC 9562 §5.5): any constant does, as long as it never changes.
const NAMESPACE: Uuid = Uuid::from_u128(0x6f1c_5a0e_93b4_4d67_8a21_3c7d_90e2_b5f8);

/// What every event of a call carries. Upstream's own ids go back to it as they came; here the number is not
/// masked, since who reads this gave it to us.
#[derive(Clone, Debug)]
pub struct About {
    tracking: Tracking,
    key: CallKey,
    call_id: String,
    attempt: Option<u32>,
    details: Map<String, Value>,
}

impl About {
    /// An attempt at a planned call in `room`.
    pub fn attempt(attempt: &AttemptId, plan: &CallPlan, room: Option<&str>) -> Self {
        let mut details = Map::new();
        set(&mut details, "room", room);
        if let Leg::Outbound { to } = &plan.leg {
            set(&mut details, "toNumber", Some(PhoneNumber::as_e164(to)));
        }
        set(&mut details, "country", Some(plan.profile.country.as_str()));
        set(&mut details, "provider", plan.profile.provider.as_deref());
        Self {
            tracking: plan.tracking.clone(),
            key: attempt.key.clone(),
            call_id: plan.call_id.clone(),
            attempt: Some(attempt.number),
            details,
        }
    }

    /// An attempt at a call that was not planned yet: its message still waited.
    pub fn waiting(attempt: &AttemptId, call_id: Option<&str>, tracking: &Tracking) -> Self {
        Self { attempt: Some(attempt.number), ..Self::refused(&attempt.key, call_id, tracking) }
    }

    /// A message that was refused before there was an attempt.
    pub fn refused(key: &CallKey, call_id: Option<&str>, tracking: &Tracking) -> Self {
        let call_id = call_id.unwrap_or(key.as_str()).to_owned();
        Self { tracking: tracking.clone(), key: key.clone(), call_id, attempt: None, details: Map::new() }
    }

    /// The event for a fact, if upstream is told of it. How a call ended is told by
    /// [`ended`](Self::ended), which has all of it. One arm a fact: a new one does not compile until it is decided
    /// whether upstream is told.
    pub fn event(&self, at: Timestamp, fact: &Fact) -> Option<Value> {
        match fact {
            Fact::Dialing { .. } => {
                Some(self.told(at, "CALL_ATTEMPT_STARTED", "the phone is being dialed", []))
            }
            Fact::Answered { after_ms } => {
                let delay = seconds(*after_ms as f64 / 1000.0);
                Some(self.told(
                    at,
                    "SIP_DIAL_ANSWERED",
                    "the callee answered",
                    [("answerDelaySeconds", delay)],
                ))
            }
            Fact::BridgeActive => Some(self.told(at, "SIP_BRIDGE_ACTIVE", "sound flows both ways", [])),
            // Told with all of it, by `ended` and `refusal`.
            Fact::Ending { .. }
            | Fact::OutcomeWritten
            | Fact::MessageRefused { .. }
            // Ours, and of no use to a campaign.
            | Fact::MessageAccepted { .. }
            | Fact::DuplicateMessage
            | Fact::DuplicateDelivery
            | Fact::Continued { .. }
            | Fact::AttemptClaimed { .. }
            | Fact::TaskLaunched { .. }
            | Fact::ProfilesStale { .. }
            | Fact::TryAgain { .. }
            | Fact::Deferred { .. }
            | Fact::TaskPhases(_)
            | Fact::TaskStopped { .. }
            | Fact::Settled { .. }
            | Fact::Stuck { .. }
            | Fact::JobTaken { .. }
            | Fact::AgentCreated { .. }
            | Fact::AgentAskedToWait { .. }
            | Fact::AgentCreateFailed { .. }
            | Fact::RoomJoined { .. }
            | Fact::RoomJoinFailed { .. }
            | Fact::WaitingForCaller { .. }
            | Fact::DialClaimed
            | Fact::Duplicate { .. }
            | Fact::DialClaimFailed { .. }
            | Fact::DialNotSent { .. }
            | Fact::Ringing { .. }
            | Fact::DialReplyLost { .. }
            | Fact::DialFailed { .. }
            | Fact::CallerJoined { .. }
            | Fact::AgentConnected { .. }
            | Fact::AgentStarted
            | Fact::FirstAgentAudio { .. }
            | Fact::AgentState { .. }
            | Fact::Said { .. }
            | Fact::BargeIn { .. }
            | Fact::SoundSecond(_)
            | Fact::NoPackets { .. }
            | Fact::OnlySilence { .. }
            | Fact::OneWayAudio { .. }
            | Fact::NotTranscribed { .. }
            | Fact::SoundHealed { .. }
            | Fact::AgentMessageIgnored { .. }
            | Fact::Dtmf { .. }
            | Fact::KeysSent { .. }
            | Fact::TransferAsked { .. }
            | Fact::Transferred { .. }
            | Fact::TransferFailed { .. }
            | Fact::ToolFailed { .. }
            | Fact::RoomReconnecting
            | Fact::RoomResumed
            | Fact::RoomRejoined { .. }
            | Fact::CalleeBack { .. }
            | Fact::AgentHangUp { .. }
            | Fact::AgentClosed { .. }
            | Fact::AgentSilent { .. }
            | Fact::AgentLoops { .. }
            | Fact::PlayingOut { .. }
            | Fact::CalleeGone { .. }
            | Fact::RoomLost { .. }
            | Fact::MaxDuration
            | Fact::Draining
            | Fact::RoomDeleted { .. }
            | Fact::RoomDeleteFailed { .. }
            | Fact::Cost(_)
            | Fact::AgentBilled { .. }
            | Fact::OutcomeNotWritten { .. }
            | Fact::SoundTotals { .. }
            | Fact::RecordingNotStored { .. }
            | Fact::Ignored { .. } => None,
        }
    }

    /// The attempt's one terminal event. `None`: it was put off, so nothing has ended.
    pub fn ended(&self, at: Timestamp, outcome: &Outcome) -> Option<Value> {
        let reason = ("reason", outcome.reason.clone().map_or(Value::Null, Value::from));
        let sip_status = ("sipStatus", outcome.sip_status.map_or(Value::Null, Value::from));
        let detail = outcome.detail.as_deref().unwrap_or_default();
        Some(match outcome.outcome {
            OutcomeKind::Deferred => return None,
            OutcomeKind::Answered => {
                let end_reason = outcome.end_reason.map_or("unknown", |reason| reason.as_str());
                let duration = outcome.duration_seconds.map_or(Value::Null, seconds);
                let agent = outcome.agent_call_id.clone().map_or(Value::Null, Value::from);
                let more = [
                    ("durationSeconds", duration),
                    ("endReason", end_reason.into()),
                    ("agentCallId", agent.clone()),
                    // Ultravox is the only vendor there is.
                    ("ultravoxCallId", agent),
                ];
                self.told(at, "SIP_CALL_ENDED", &format!("the call ended: {end_reason}"), more)
            }
            OutcomeKind::NotAnswered => {
                let text = if detail.is_empty() { "the call was not answered" } else { detail };
                self.told(at, "CALL_NOT_ANSWERED", text, [reason, sip_status])
            }
            OutcomeKind::Failed | OutcomeKind::Unknown => {
                let text = if detail.is_empty() { "the call failed" } else { detail };
                let kind = outcome.reason.clone().unwrap_or_else(|| outcome.outcome.as_str().to_owned());
                let attempt = ("attempt", outcome.attempt.into());
                let more =
                    [("reason", Value::from(kind.as_str())), ("errorType", kind.into()), attempt, sip_status];
                self.told(at, "SIP_CALL_FAILED", text, more)
            }
        })
    }

    /// The event for a message that will never be dialed, or not any more.
    pub fn refusal(&self, at: Timestamp, refusal: &Refusal) -> Value {
        let reason = match refusal.code {
            RefusalCode::AttemptsExhausted => Reason::AttemptsExhausted,
            _ => Reason::Refused,
        };
        let more = [
            ("reason", Value::from(reason.as_str())),
            ("errorType", refusal.code.as_str().into()),
            ("path", refusal.path.clone().map_or(Value::Null, Value::from)),
        ];
        self.told(at, "SIP_CALL_FAILED", &refusal.detail, more)
    }

    fn told<const N: usize>(
        &self,
        at: Timestamp,
        status: &str,
        description: &str,
        more: [(&str, Value); N],
    ) -> Value {
        let mut details = self.details.clone();
        for (name, value) in more.into_iter().filter(|(_, value)| !value.is_null()) {
            details.insert(name.to_owned(), value);
        }
        let mut metadata = Map::new();
        set(&mut metadata, "workflowId", self.tracking.workflow_id.as_deref());
        set(&mut metadata, "campaignId", self.tracking.campaign_id.as_deref());
        set(&mut metadata, "customerId", self.tracking.customer_id.as_deref());
        set(&mut metadata, "userId", self.tracking.user_id.as_deref());
        set(&mut metadata, "callId", Some(self.call_id.as_str()));
        set(&mut metadata, "status", Some(status));
        set(&mut metadata, "statusDescription", Some(description));
        set(&mut metadata, "metadataJson", Some(Value::Object(details).to_string().as_str()));
        let mut event = Map::new();
        event.insert("id".to_owned(), self.id(status).to_string().into());
        event.insert("messageType".to_owned(), json!("CALL_HISTORY"));
        event.insert("source".to_owned(), json!("outbound-call-gateway"));
        set(&mut event, "organizationId", self.tracking.organization_id.as_deref());
        set(&mut event, "tenantId", self.tracking.tenant_id.as_deref());
        event.insert("createdAt".to_owned(), format!("{at:.3}").into());
        event.insert("metadata".to_owned(), metadata.into());
        event.into()
    }

    /// The same event told twice has the same id.
    fn id(&self, status: &str) -> Uuid {
        let attempt = self.attempt.map_or_else(|| "none".to_owned(), |number| number.to_string());
        Uuid::new_v5(&NAMESPACE, format!("{}/{attempt}/{status}", self.key).as_bytes())
    }
}

fn set(object: &mut Map<String, Value>, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        object.insert(name.to_owned(), value.into());
    }
}

/// Whole milliseconds: more digits would only pretend.
fn seconds(value: f64) -> Value {
    json!((value * 1000.0).round() / 1000.0)
}

//! How an attempt ended: the words of `outcome.json` and of CALL_HISTORY.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::cost::Cost;

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$vdoc])* #[serde(rename = $word)] $variant,)* }

        impl $name {
            /// Every value, for tables and tests.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}

words! {
    /// The one word for how an attempt ended.
    OutcomeKind {
        /// The callee answered.
        Answered = "answered",
        /// A business outcome: redialing belongs to the campaign.
        NotAnswered = "not-answered",
        /// A system error before the answer.
        Failed = "failed",
        /// A dial claim without an outcome: nobody knows whether it rang.
        Unknown = "unknown",
        /// Outside the call hours, found out in the task.
        Deferred = "deferred",
    }
}

words! {
    /// Why an attempt was not answered or failed.
    Reason {
        /// It rang until the ring time was over.
        NoAnswer = "no-answer",
        /// 486 or 600.
        Busy = "busy",
        /// 603.
        Declined = "declined",
        /// 480.
        Unavailable = "unavailable",
        /// 404, 484 or 604.
        InvalidNumber = "invalid-number",
        /// Our own guard ran out while the dial was on its way.
        DialTimeout = "dial-timeout",
        /// Nobody answered the INVITE.
        TrunkNoResponse = "trunk-no-response",
        /// 401, 403 or 407.
        TrunkAuth = "trunk-auth",
        /// 5xx.
        TrunkError = "trunk-error",
        /// Any other SIP code: `sip-<code>` on the wire, the code is in `sipStatus`.
        OtherSip = "sip",
        /// LiveKit has no SIP node to take the dial.
        NoSipService = "no-sip-service",
        /// LiveKit could not be reached.
        LivekitUnreachable = "livekit-unreachable",
        /// LiveKit refused our credentials.
        LivekitAuth = "livekit-auth",
        /// LiveKit does not know the trunk.
        UnknownTrunk = "unknown-trunk",
        /// The agent vendor wants money (402).
        AgentAccount = "agent-account",
        /// The agent vendor is full (429, 503).
        AgentBusy = "agent-busy",
        /// The agent vendor failed otherwise.
        AgentError = "agent-error",
        /// The agent went away before the answer.
        AgentLostBeforeAnswer = "agent-lost-before-answer",
        /// Every attempt failed before the dial.
        AttemptsExhausted = "attempts-exhausted",
        /// The message was refused.
        Refused = "refused",
        /// We do not know whether it rang.
        Unknown = "unknown",
        /// Our own process failed before any INVITE left it: a stall past `inviteBy`, a claim that could
        /// not be written, a panic.
        BridgeError = "bridge-error",
        /// We were told to stop before any INVITE left.
        Drained = "drained",
    }
}

words! {
    /// Why an answered call ended.
    EndReason {
        /// The callee hung up.
        CalleeHangup = "callee-hangup",
        /// The agent asked for the end.
        AgentHangup = "agent-hangup",
        /// The agent's socket closed without asking.
        AgentClosed = "agent-closed",
        /// The agent had the callee passed on to somebody else.
        Transferred = "transferred",
        /// The agent sent nothing for too long.
        SilenceWatchdog = "silence-watchdog",
        /// The longest allowed call.
        MaxDuration = "max-duration",
        /// The room went away.
        RoomLost = "room-lost",
        /// No packets from the callee any more.
        MediaLost = "media-lost",
        /// A mistake of ours.
        BridgeError = "bridge-error",
        /// We were told to stop.
        Drained = "drained",
        /// A person asked for it.
        Operator = "operator",
        /// Nobody knows.
        Unknown = "unknown",
    }
}

/// `outcome.json`: how the attempt ended, exactly one an attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// Version of this shape.
    pub v: u32,
    /// The word.
    pub outcome: OutcomeKind,
    /// Why not answered or failed; on the wire `sip-<code>` for [`Reason::OtherSip`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Why an answered call ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_reason: Option<EndReason>,
    /// The SIP status code, only when there was one; never invented.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sip_status: Option<u16>,
    /// One human sentence about what happened, for the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// May a new attempt be made by the settler?
    pub retryable: bool,
    /// Dial to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer_delay_seconds: Option<f64>,
    /// Answer to the first agent audio put on the wire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_agent_audio_seconds: Option<f64>,
    /// From the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    /// How often the callee interrupted the agent.
    pub barge_ins: u32,
    /// Sound received from the callee that was not silence.
    pub callee_audio_seconds: f64,
    /// Agent speech played toward the callee.
    pub agent_audio_seconds: f64,
    /// How the callee's sound would be rated, as it came to us: an estimate, 1 to 4.5 (`audio::mos`). This and the two
    /// below only if packets of it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mos: Option<f64>,
    /// How unevenly its packets came, milliseconds, on average (RFC 3550 §6.4.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jitter_ms: Option<f64>,
    /// How much of it was lost on the way, in percent, before anything was rebuilt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_percent: Option<f64>,
    /// What it has cost, by the profile's prices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// The agent vendor's id of its call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_call_id: Option<String>,
    /// Which attempt.
    pub attempt: u32,
    /// When the attempt started.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// Version of the program that wrote this.
    pub version: String,
}

impl Outcome {
    /// The version of this shape that this program writes.
    pub const V: u32 = 1;

    /// An attempt's outcome, before anybody has counted its sound or named its agent's call. `version` is that of
    /// the program that writes it.
    pub fn new(
        ending: Ending,
        attempt: u32,
        started_at: Timestamp,
        ended_at: Timestamp,
        version: &str,
    ) -> Self {
        Self {
            v: Self::V,
            outcome: ending.outcome,
            reason: ending.reason_text(),
            end_reason: ending.end_reason,
            sip_status: ending.sip_status,
            detail: ending.detail,
            retryable: ending.retryable,
            answer_delay_seconds: ending.answer_delay_seconds,
            first_agent_audio_seconds: ending.first_agent_audio_seconds,
            duration_seconds: ending.duration_seconds,
            barge_ins: ending.barge_ins,
            callee_audio_seconds: 0.0,
            agent_audio_seconds: 0.0,
            mos: None,
            jitter_ms: None,
            loss_percent: None,
            cost: None,
            agent_call_id: None,
            attempt,
            started_at,
            ended_at,
            version: version.to_owned(),
        }
    }
}

/// How an attempt ended, as the core knows it: without wall-clock times and ids that only the shell has.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// The word.
    pub outcome: OutcomeKind,
    /// Why not answered or failed.
    pub reason: Option<Reason>,
    /// Why an answered call ended.
    pub end_reason: Option<EndReason>,
    /// The SIP status code, only when there was one.
    pub sip_status: Option<u16>,
    /// One human sentence.
    pub detail: Option<String>,
    /// May a new attempt be made?
    pub retryable: bool,
    /// Dial to answer, seconds.
    pub answer_delay_seconds: Option<f64>,
    /// Answer to first agent audio, seconds.
    pub first_agent_audio_seconds: Option<f64>,
    /// Answer to end, seconds.
    pub duration_seconds: Option<f64>,
    /// How often the callee interrupted the agent.
    pub barge_ins: u32,
}

impl Ending {
    /// The word alone: everything else is not known, or was not.
    pub fn of(outcome: OutcomeKind) -> Self {
        Self {
            outcome,
            reason: None,
            end_reason: None,
            sip_status: None,
            detail: None,
            retryable: false,
            answer_delay_seconds: None,
            first_agent_audio_seconds: None,
            duration_seconds: None,
            barge_ins: 0,
        }
    }

    /// The reason as it stands on the wire: `sip-<code>` for other SIP codes.
    pub fn reason_text(&self) -> Option<String> {
        match (self.reason, self.sip_status) {
            (Some(Reason::OtherSip), Some(code)) => Some(format!("sip-{code}")),
            (Some(reason), _) => Some(reason.as_str().to_owned()),
            (None, _) => None,
        }
    }
}

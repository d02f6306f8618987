//! What happened, in our words. Every log line, metric and event is made from a [`Fact`].

use serde::{Deserialize, Serialize};
use strum::VariantNames;

use crate::cost::Cost;
use crate::outcome::{EndReason, OutcomeKind};
use crate::phone::{MaskedNumber, MaskedText};
use crate::sound::SoundSecond;

/// Something that happened in the life of a call. Times are the recorder's; durations are in the fact.
/// Nothing secret is ever in one, and no number that could be dialed: that stands in the job alone.
#[expect(missing_docs, reason = "the variants are documented; their fields carry their unit in their name")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, VariantNames)]
#[serde(tag = "fact", rename_all = "kebab-case", rename_all_fields = "camelCase")]
#[strum(serialize_all = "kebab-case")]
pub enum Fact {
    // ── routing
    /// A message was read and may be dialed.
    MessageAccepted { call_id: String, to: MaskedNumber, country: String },
    /// A message can never work.
    MessageRefused { code: String, path: Option<String>, detail: String },
    /// The identity's folder was there already: another message of the same call.
    DuplicateMessage,
    /// A message was delivered again, or there is nothing left to do for it; it goes on where the folder stands.
    DuplicateDelivery,
    /// A message that was put back, or sent back, goes on with this attempt.
    Continued { attempt: u32 },
    /// Identity and attempt are ours in the call folder.
    AttemptClaimed {
        attempt: u32,
        /// Since its message was sent, the delays of what was put back included.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        waited_ms: Option<u64>,
    },
    /// A task was asked for and accepted.
    TaskLaunched { task: String },
    /// The profiles could not be read again: those that were read before are used.
    ProfilesStale { age_seconds: u64, detail: String },
    /// Something did not work now; the message comes again.
    TryAgain { detail: String },
    /// The call may not begin yet; its message was put back, and comes again after the delay.
    Deferred { why: NotNow, delay_seconds: u64 },

    // ── settling
    /// How long the steps of starting the attempt's task took, as ECS tells once it has stopped.
    TaskPhases(TaskPhases),
    /// ECS says that the attempt's task has stopped.
    TaskStopped { task: String, detail: String },
    /// Nothing of the attempt is left over; this followed.
    Settled { next: String },
    /// Nobody will ever settle this by itself: a person has to look.
    Stuck { detail: String },

    // ── the task, before the dial
    /// A task took the job up.
    JobTaken { country: String, to: Option<MaskedNumber>, room: String },
    /// The agent's call exists.
    AgentCreated { agent_call_id: String, took_ms: u64 },
    /// The vendor asked us to wait before asking again.
    AgentAskedToWait { status: u16, wait_ms: u64 },
    /// The agent could not be had.
    AgentCreateFailed { detail: String },
    /// We are in the room, media is up.
    RoomJoined { took_ms: u64 },
    /// The room could not be joined.
    RoomJoinFailed { detail: String },
    /// Inbound: waiting for somebody to call in.
    WaitingForCaller { room: String },
    /// The permission to ring is ours.
    DialClaimed,
    /// Somebody else holds the permission to ring: this task leaves, nobody is dialed twice.
    Duplicate { detail: String },
    /// The permission to ring could neither be had nor refused.
    DialClaimFailed { detail: String },

    // ── the dial
    /// The dial request leaves now.
    Dialing { to: MaskedNumber, trunk: String, ring_seconds: u32 },
    /// The dial was not sent, nothing rang.
    DialNotSent { detail: String },
    /// The phone rings.
    Ringing { after_ms: u64 },
    /// The dial's reply was lost; the room will tell.
    DialReplyLost { detail: String },
    /// The dial failed.
    DialFailed { sip_status: Option<u16>, detail: String },
    /// Inbound: a caller is in the room. LiveKit makes its identity of the number, unless told otherwise.
    CallerJoined { identity: MaskedText },
    /// The callee answered (inbound: the caller is connected).
    Answered { after_ms: u64 },

    // ── talking
    /// The agent's socket is open.
    AgentConnected { took_ms: u64 },
    /// The agent's vendor says that its call runs.
    AgentStarted,
    /// Sound flows both ways.
    BridgeActive,
    /// The first agent speech was put on the wire.
    FirstAgentAudio { after_answer_ms: u64 },
    /// listening, thinking, speaking …
    AgentState { state: String },
    /// Somebody said something, as the vendor's own recogniser heard it.
    Said { by: Speaker, text: String },
    /// The callee interrupted the agent: so much queued speech was thrown away, and the last of what had been said
    /// left us so long after the agent's vendor told us.
    BargeIn {
        dropped_ms: u64,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tail_ms: Option<u64>,
    },
    /// What passed each hop in about a second.
    SoundSecond(SoundSecond),
    /// So long after the answer no packet of the callee's voice has come.
    NoPackets { after_answer_ms: u64 },
    /// Packets of the callee's come, and so far nothing but silence in them, though it was its turn to talk.
    OnlySilence { after_answer_ms: u64 },
    /// The callee is heard, and so far not a sound of the agent's has gone out to it.
    OneWayAudio { after_answer_ms: u64 },
    /// The callee has talked, and so far the agent's vendor has understood nothing.
    NotTranscribed { after_answer_ms: u64 },
    /// What was told of the sound is true no more.
    SoundHealed { trouble: SoundTrouble, after_answer_ms: u64 },
    /// A message from the agent that we do not understand; noted once a kind.
    AgentMessageIgnored { detail: String },
    /// The callee pressed a key.
    Dtmf { digit: String },
    /// So many keys were pressed for the agent. Which is nobody's business: it may be a code of ours.
    KeysSent { keys: usize },
    /// The trunk was asked to pass the callee on to whom the profile knows by this name.
    TransferAsked { to: String },
    /// The callee is with them.
    Transferred { to: String, took_ms: u64 },
    /// The callee is not, and still on the line.
    TransferFailed { to: String, sip_status: Option<u16>, detail: String },
    /// A tool of ours did not do what the agent asked for; the agent was told these words.
    ToolFailed { tool: String, detail: String },
    /// The signalling was lost; sound goes on meanwhile.
    RoomReconnecting,
    /// The signalling is back.
    RoomResumed,
    /// Our place in the room was lost; it is joined anew.
    RoomRejoined { away_ms: u64 },
    /// The callee's leg is in the room that was joined anew.
    CalleeBack { after_ms: u64 },

    // ── the end
    /// The agent asked for the end of the call.
    AgentHangUp { detail: String },
    /// The agent's socket closed.
    AgentClosed { clean: bool, detail: String },
    /// Nothing has come from the agent for so long, though its socket is open.
    AgentSilent { silent_seconds: u32 },
    /// The agent has called tools too often in a short time, this one the last.
    AgentLoops { tool: String, calls: usize },
    /// The agent's last words are being played out.
    PlayingOut { queued_ms: u64 },
    /// The callee's leg is gone.
    CalleeGone { detail: String },
    /// The room is gone.
    RoomLost { detail: String },
    /// The longest allowed call is over.
    MaxDuration,
    /// We were told to stop.
    Draining,
    /// A call ends; what follows is tidying up.
    Ending { outcome: OutcomeKind, reason: Option<String>, end_reason: Option<EndReason> },
    /// Our room is deleted, and the phone's leg with it.
    RoomDeleted { took_ms: u64 },
    /// Our room could not be deleted.
    RoomDeleteFailed { detail: String },
    /// What the call has cost up to now, by the profile's prices: every minute while they talk, and when it is over.
    Cost(Cost),
    /// The agent's vendor says how much of its call is paid for.
    AgentBilled { seconds: f64 },
    /// `outcome.json` is written.
    OutcomeWritten,
    /// `outcome.json` could not be written, or somebody else wrote it first.
    OutcomeNotWritten { detail: String },
    /// What flowed in this call.
    SoundTotals {
        /// Callee sound that was not silence.
        callee_audio_seconds: f64,
        /// Agent speech played.
        agent_audio_seconds: f64,
        /// Of the callee's sound: made up for what did not come.
        #[serde(default)]
        callee_concealed_seconds: f64,
        /// Of the agent's: holes in its speech that were slid over.
        #[serde(default)]
        agent_concealed_seconds: f64,
    },
    /// A recording could not be put into the call folder, or not all of it.
    RecordingNotStored { detail: String },
    /// News that came after the end, or that this state cannot use.
    Ignored { detail: String },
}

/// ECS's own times of a task's start (Amazon ECS API, `Task`). A step that it did not come to, or did not tell of, is
/// absent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TaskPhases {
    /// From `createdAt` to `pullStartedAt`: a place and a network interface were found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provisioning_ms: Option<u64>,
    /// From `pullStartedAt` to `pullStoppedAt`: the image came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pull_ms: Option<u64>,
    /// From `pullStoppedAt` to `startedAt`: the container was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub process_ms: Option<u64>,
}

/// Why a call may not begin yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotNow {
    /// It is outside the callee's call hours.
    CallHours,
    /// As many calls to the country are under way as there may be.
    TooManyCalls,
    /// As many calls to the country have begun in this second as may.
    TooManyPerSecond,
}

/// What may be wrong with a call's sound from its answer on. Told once a call, each for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SoundTrouble {
    /// [`Fact::NoPackets`].
    NoPackets,
    /// [`Fact::OnlySilence`].
    OnlySilence,
    /// [`Fact::OneWayAudio`].
    OneWayAudio,
    /// [`Fact::NotTranscribed`].
    NotTranscribed,
}

/// Who said something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Speaker {
    /// The person.
    Callee,
    /// The agent.
    Agent,
}

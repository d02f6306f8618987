//! What a call is told.

use crate::fact::Speaker;
use crate::outcome::EndReason;
use crate::sip_outcome::DialFailure;
use crate::sound::SoundSecond;
use crate::tools::ToolCall;

/// News for a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// From the room.
    Room(RoomEvent),
    /// From the agent.
    Agent(AgentEvent),
    /// From the phone's leg and what permits it.
    Leg(LegEvent),
    /// From the pump.
    Sound(SoundEvent),
    /// From the call folder: the outcome is written, or why not.
    OutcomeStored(Result<(), NotStored>),
    /// We were told to stop (SIGTERM, Ctrl-C).
    Drain,
    /// [`Call::poll_timeout`] has come.
    Tick,
}

/// Why an outcome is not written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotStored {
    /// Somebody else's stands there: it stays. One sentence.
    AnotherIsThere(String),
    /// The store did not do it, or we do not know that it did; it may, a moment later. One sentence.
    Failed(String),
}

/// News from the room.
#[derive(Clone, Debug, PartialEq)]
pub enum RoomEvent {
    /// Joined: media is up and our track is published.
    Joined {
        /// Milliseconds from the wish to the fact.
        took_ms: u64,
    },
    /// Could not be joined.
    JoinFailed {
        /// What kind of failure.
        failure: RoomFailure,
        /// One sentence.
        detail: String,
    },
    /// The signalling is lost, sound goes on.
    Reconnecting,
    /// The signalling is back, and nothing was missed.
    Resumed,
    /// Our place was lost, and the room is joined anew under the same identity. The callee's leg is in it only once
    /// that is [told](LegEvent::InRoom).
    Rejoined {
        /// How long we were away, from the first sign of it.
        away_ms: u64,
    },
    /// The room is gone for us.
    Lost {
        /// One sentence.
        detail: String,
        /// What is gone.
        loss: RoomLoss,
    },
    /// The room is deleted (or was not there).
    Deleted {
        /// Milliseconds from the wish to the fact.
        took_ms: u64,
    },
    /// The room could not be deleted.
    DeleteFailed {
        /// One sentence.
        detail: String,
    },
}

/// What is gone when a room is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomLoss {
    /// The room itself, or our place in it.
    Room,
    /// Server or network, and not the room: the phone's leg may stay up, or come back into a room of the same
    /// name, which it makes anew.
    Server,
    /// Our place: another bridge has joined under our identity.
    TakenOver,
}

/// Why a room cannot be joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomFailure {
    /// No server there.
    Unreachable,
    /// It refuses our credentials.
    Auth,
    /// Anything else.
    Other,
}

/// News from the agent.
#[derive(Clone, Debug, PartialEq)]
pub enum AgentEvent {
    /// The vendor has created its call.
    Created {
        /// Its id.
        agent_call_id: String,
        /// Milliseconds from the wish to the fact.
        took_ms: u64,
    },
    /// The vendor asked us to wait.
    AskedToWait {
        /// HTTP status.
        status: u16,
        /// How long.
        wait_ms: u64,
    },
    /// The vendor's call cannot be had.
    CreateFailed {
        /// What kind of failure.
        failure: AgentFailure,
        /// One sentence.
        detail: String,
    },
    /// Its socket is open.
    Connected {
        /// Milliseconds from the wish to the fact.
        took_ms: u64,
    },
    /// Its socket cannot be opened.
    ConnectFailed {
        /// One sentence.
        detail: String,
    },
    /// The vendor says that its call runs.
    Started,
    /// Something has come from it: sound, or a message that is no answer to a ping. Told about once a second, for as
    /// long as something comes or what came before is still being played.
    Heard,
    /// listening, thinking, speaking …
    State(String),
    /// Somebody finished a sentence.
    Said {
        /// Who.
        by: Speaker,
        /// What.
        text: String,
    },
    /// The agent has called a tool that is not ours to run; it was told so.
    CalledTool {
        /// Its name.
        tool: String,
    },
    /// The agent calls a tool of ours, and says nothing until it is answered.
    Asks {
        /// Of this call of it; to be repeated in the answer.
        id: String,
        /// What is to be done.
        call: ToolCall,
    },
    /// The agent asks for the end.
    HangUp {
        /// One sentence.
        detail: String,
    },
    /// Its socket is closed.
    Closed {
        /// With a close frame, in order.
        clean: bool,
        /// One sentence.
        detail: String,
    },
    /// The vendor's own word on why its call ended.
    WhyEnded(WhyAgentEnded),
    /// A message that nobody understands.
    NotUnderstood {
        /// One sentence.
        detail: String,
    },
}

/// Why an agent cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentFailure {
    /// The account: no credit, bad key.
    Account,
    /// Full.
    Busy,
    /// Anything else.
    Error,
}

/// The vendor's word on why its call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhyAgentEnded {
    /// The agent hung up by its tool or its rules.
    HungUp,
    /// Its longest duration was over.
    MaxDuration,
    /// Anything else, or it would not say.
    Other,
}

/// News from the phone's leg and what permits it.
#[derive(Clone, Debug, PartialEq)]
pub enum LegEvent {
    /// The dial claim is ours.
    ClaimOurs,
    /// Somebody else holds it.
    ClaimTaken {
        /// Who, for people.
        detail: String,
    },
    /// It could neither be had nor refused.
    ClaimFailed {
        /// One sentence.
        detail: String,
    },
    /// The dial request leaves now.
    Dialing,
    /// The dial's reply: answered.
    Dialed,
    /// The dial's reply: not.
    DialFailed(DialFailure),
    /// Inbound: a participant of kind SIP is in the room.
    CallerJoined {
        /// Its identity.
        identity: String,
    },
    /// The callee's leg is in the room; of itself no sign that it rings. Told again when the leg, or we, come back into
    /// the room.
    InRoom,
    /// The leg rings.
    Ringing,
    /// The leg is connected.
    Active,
    /// The leg is gone.
    Left {
        /// Whose doing it was.
        why: LegEnd,
        /// Why, as the room says.
        detail: String,
    },
    /// A key was pressed.
    Dtmf {
        /// Which.
        digit: String,
    },
    /// The trunk has passed the callee on: whom we named has taken the call. The leg leaves by itself, if it has not.
    TransferAccepted,
    /// The callee was not passed on, as far as anybody knows.
    TransferFailed {
        /// The SIP status, if there was one.
        sip_status: Option<u16>,
        /// Why, for the agent and for people.
        detail: String,
    },
    /// A key that we were to press did not leave us.
    KeyNotSent {
        /// Why, in one sentence.
        detail: String,
    },
}

/// Whose doing it was that a leg ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegEnd {
    /// The person's.
    HungUp,
    /// Somebody's who may take people out of rooms.
    Removed,
    /// Nobody's: its connection was lost.
    Lost,
}

impl LegEnd {
    /// The word for it once the call was answered.
    pub fn end_reason(self) -> EndReason {
        match self {
            Self::HungUp => EndReason::CalleeHangup,
            Self::Removed => EndReason::Operator,
            Self::Lost => EndReason::MediaLost,
        }
    }
}

/// News from the pump.
#[derive(Clone, Debug, PartialEq)]
pub enum SoundEvent {
    /// The first packet of the callee's voice came.
    CalleeHeard,
    /// The first agent speech was put on the wire.
    FirstAgentAudio,
    /// The callee interrupted: what was queued toward it is flushed already. (Who reads the agent's socket
    /// flushes, so that the sound behind the agent's clear stays behind it.)
    Flushed {
        /// How much was thrown away.
        dropped_ms: u64,
        /// How long after the agent's word the end of it had left us; `None`: nothing leaves at the moment.
        tail_ms: Option<u64>,
    },
    /// Everything queued was played.
    PlayedOut,
    /// What passed each hop since this was told last, about a second ago; told from the opening of the sound to its
    /// close.
    Second(SoundSecond),
}

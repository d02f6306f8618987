//! One attempt at a call, from the joined room to the written outcome.
//!
//! ```text
//! Preparing ──room + agent ready──▶ Claiming ──ours──▶ Dialing ──answered──▶ Talking ─┬▶ LastWords ─┐
//!     │                                │ taken: leave      │ failed               └──────────────┤
//!     └─ failed ▶ GivingUp (claims) ───┴───────────────────┴──────────────────────────▶ Closing ──▶ Over
//! WaitingForCaller (inbound) ──a SIP participant is connected──▶ Talking
//! ```
//!
//! [`Call::handle`] is total: every state meets every input; what a state cannot use becomes a fact.
//! Sound never passes through here: the call only opens, flushes and closes the pump.

#[cfg(test)]
mod any_order;
mod ending;
mod notes;
mod state;
mod step;
#[cfg(test)]
mod stories;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::fact::{Fact, Speaker};
use crate::outcome::Ending;
use crate::plan::{CallPlan, Leg};
use crate::sip_outcome::DialFailure;
use state::State;

/// Room and agent must both be ready after this; the agent's REST calls have 30 s in all.
pub const PREPARE_CAP: Duration = Duration::from_secs(40);
/// How long after the ring time we wait for the dial's reply before our own guard gives up.
pub const DIAL_GUARD: Duration = Duration::from_secs(20);
/// The longest that an agent's last words are played out.
pub const LAST_WORDS_CAP: Duration = Duration::from_secs(5);
/// How long we ask the vendor why its agent ended before we settle for "closed".
pub const WHY_ENDED_CAP: Duration = Duration::from_secs(2);
/// How long the dial claim is waited for; the store's own tries are shorter.
pub const CLAIM_CAP: Duration = Duration::from_secs(60);
/// How long deleting the room is tried before the outcome is written all the same.
pub const TIDY_CAP: Duration = Duration::from_secs(20);
/// How often the room is deleted again while the phone's leg may still come into it.
pub const DELETE_AGAIN: Duration = Duration::from_secs(2);
/// How long writing the outcome is tried before the process goes.
pub const OUTCOME_CAP: Duration = Duration::from_secs(30);

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
    OutcomeStored(Result<(), String>),
    /// We were told to stop (SIGTERM, Ctrl-C).
    Drain,
    /// [`Call::poll_timeout`] has come.
    Tick,
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
    /// The signalling is back.
    Resumed,
    /// The room is gone for us.
    Lost {
        /// One sentence.
        detail: String,
        /// Server or network are gone, and not the room itself: the phone's leg may stay up, or come back into
        /// a room of the same name, which it makes anew.
        leg_may_return: bool,
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
    /// listening, thinking, speaking …
    State(String),
    /// Somebody finished a sentence.
    Said {
        /// Who.
        by: Speaker,
        /// What.
        text: String,
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
    /// The leg rings.
    Ringing,
    /// The leg is connected.
    Active,
    /// The leg is gone.
    Left {
        /// Why, as the room says.
        detail: String,
    },
    /// A key was pressed.
    Dtmf {
        /// Which.
        digit: String,
    },
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
    },
    /// Everything queued was played.
    PlayedOut,
}

/// What a call wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Join the room and publish our track → [`RoomEvent::Joined`] or `JoinFailed`.
    JoinRoom,
    /// Have the agent's call created → [`AgentEvent::Created`] or `CreateFailed`.
    CreateAgent,
    /// Take the dial claim → [`LegEvent::ClaimOurs`], `ClaimTaken` or `ClaimFailed`.
    ClaimDial {
        /// The task failed before dialing: the claim says so, and permits no dial.
        failed_before_dial: Option<String>,
    },
    /// Ring the phone, once → [`LegEvent::Dialing`], then `Dialed` or `DialFailed`.
    Dial,
    /// Open the agent's socket → [`AgentEvent::Connected`] or `ConnectFailed`.
    ConnectAgent,
    /// Move the pump.
    Audio(AudioCommand),
    /// Ask the vendor why its agent ended → [`AgentEvent::WhyEnded`].
    AskWhyAgentEnded,
    /// Close the agent's socket, or forget the agent where none is open.
    CloseAgent,
    /// Delete the room, which ends the phone's leg → [`RoomEvent::Deleted`] or `DeleteFailed`.
    DeleteRoom,
    /// Write the outcome, if nobody has → [`Input::OutcomeStored`].
    WriteOutcome(Ending),
    /// Keep a fact.
    Record(Fact),
    /// The call is over: flush what is left and go.
    Finish,
}

/// What the pump shall do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AudioCommand {
    /// Let sound flow both ways; silence where there is none.
    Open,
    /// Tell when everything queued was played → [`SoundEvent::PlayedOut`].
    PlayOut,
    /// Stop.
    Close,
}

/// One attempt at a call.
#[derive(Debug)]
pub struct Call {
    plan: CallPlan,
    room: String,
    state: State,
    effects: VecDeque<Effect>,
}

impl Call {
    /// Starts an attempt at `plan` in `room`. `claim_by` is the job's deadline for taking the dial claim.
    pub fn new(plan: &CallPlan, room: &str, claim_by: Option<Instant>, now: Instant) -> Self {
        let state = State::first(plan, claim_by, now);
        let mut call = Self { plan: plan.clone(), room: room.to_owned(), state, effects: VecDeque::new() };
        let to = match &plan.leg {
            Leg::Outbound { to } => Some(to.masked()),
            Leg::Inbound => None,
        };
        let outbound = to.is_some();
        call.record(Fact::JobTaken { country: plan.profile.country.clone(), to, room: room.to_owned() });
        call.want(Effect::JoinRoom);
        if outbound {
            call.want(Effect::CreateAgent);
        }
        call
    }

    /// Takes news. Synchronous and total.
    pub fn handle(&mut self, input: Input, now: Instant) {
        self.note(&input);
        let state = std::mem::replace(&mut self.state, State::Over);
        self.state = self.step(state, input, now);
    }

    /// The next thing to do; drain to `None` before the next [`Call::handle`].
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to send [`Input::Tick`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.state.deadline(self.max_call())
    }

    /// Is there nothing more to come?
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    fn is_outbound(&self) -> bool {
        matches!(self.plan.leg, Leg::Outbound { .. })
    }

    fn ring(&self) -> Duration {
        Duration::from_secs(self.plan.profile.dial.ring_seconds.into())
    }

    fn max_call(&self) -> Duration {
        Duration::from_secs(self.plan.profile.dial.max_call_seconds.into())
    }

    fn want(&mut self, effect: Effect) {
        self.effects.push_back(effect);
    }

    fn record(&mut self, fact: Fact) {
        self.want(Effect::Record(fact));
    }
}

/// Whole milliseconds between two instants, 0 when they are the wrong way round.
fn millis(from: Instant, to: Instant) -> u64 {
    u64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(u64::MAX)
}

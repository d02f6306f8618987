//! One attempt at a call, from the joined room to the written outcome.
//!
//! ```text
//! Preparing ──room + agent ready──▶ Claiming ──ours──▶ Dialing ──answered──▶ Talking ─┬▶ LastWords ─┐
//!     │                                │ taken: leave      │ failed (▶ Doubting)  └──────────────┤
//!     └─ failed ▶ GivingUp (claims) ───┴───────────────────┴──────────────▶ Closing ──▶ Storing ──▶ Over
//!               Talking ◀─not─ Transferring ─passed on─▶ Transferred ─the leg has gone─▶ Closing
//! WaitingForCaller (inbound) ──a SIP participant is connected──▶ Talking
//! ```
//!
//! [`Call::handle`] is total: every state meets every input; what a state cannot use becomes a fact.
//! Sound never passes through here: the call only opens, flushes and closes the pump.

#[cfg(test)]
mod any_order;
mod closing;
mod dialing;
mod ending;
mod keys;
mod news;
mod notes;
mod room;
mod soundness;
mod state;
mod step;
#[cfg(test)]
mod stories;
mod tools;
mod transfer;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::fact::Fact;
use crate::keys::{Key, Keys};
use crate::outcome::{Ending, Reason};
use crate::plan::{CallPlan, Leg};
use crate::transfer::TransferTarget;
pub use keys::KEYS_TOGETHER;
pub use news::{
    AgentEvent, AgentFailure, Input, LegEnd, LegEvent, NotStored, RoomEvent, RoomFailure, RoomLoss,
    SoundEvent, WhyAgentEnded,
};
use room::OurRoom;
pub use room::Room;
pub use soundness::{AGENT_WITHIN, PACKETS_WITHIN, TRANSCRIPT_WITHIN, VOICE_WITHIN};
use state::State;
pub use tools::{KEY_EVERY, KEY_PAUSE};
pub use transfer::{LEG_LEAVES_CAP, TRANSFER_REPLY, TRANSFER_VERDICT};

/// Room and agent must both be ready after this; the agent's REST calls have 30 s in all.
pub const PREPARE_CAP: Duration = Duration::from_secs(40);
/// How long after the ring time we wait for the dial's reply before our own guard gives up.
pub const DIAL_GUARD: Duration = Duration::from_secs(20);
/// How long a dial that failed before anything rang is doubted before it may be tried again: its reply comes
/// over another connection than the room's news, and may overtake the ringing.
pub const DOUBT_CAP: Duration = Duration::from_secs(1);
/// How long after we have joined the room anew the callee's leg may take to come back. livekit-sip needs four to ten
/// seconds after a restart of its server.
pub const RETURN_CAP: Duration = Duration::from_secs(20);
/// The longest that an agent's last words are played out.
pub const LAST_WORDS_CAP: Duration = Duration::from_secs(5);
/// How far the callee's ear is behind our own queue: server, jitter buffer, line.
pub const LAST_WORDS_TAIL: Duration = Duration::from_millis(300);
/// An agent that calls its tools more often than this within [`TOOL_LOOP_WITHIN`] goes round in a loop.
pub const TOOL_LOOP_CALLS: usize = 10;
/// See [`TOOL_LOOP_CALLS`].
pub const TOOL_LOOP_WITHIN: Duration = Duration::from_secs(10);
/// How long we ask the vendor why its agent ended before we settle for "closed".
pub const WHY_ENDED_CAP: Duration = Duration::from_secs(2);
/// How long the dial claim is waited for; the store's own tries are shorter.
pub const CLAIM_CAP: Duration = Duration::from_secs(60);
/// How long deleting the room is tried before the outcome is written all the same.
pub const TIDY_CAP: Duration = Duration::from_secs(20);
/// How often the room is deleted again while the phone's leg may still come into it.
pub const DELETE_AGAIN: Duration = Duration::from_secs(2);
/// How long writing the outcome is tried before the process goes. One try of the store's is shorter.
pub const OUTCOME_CAP: Duration = Duration::from_secs(30);
/// The pause before the outcome is written again.
pub const WRITE_AGAIN: Duration = Duration::from_secs(1);

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
    /// Tell the agent, in its own protocol, what the callee has typed on the telephone. It interrupts nobody.
    TellTyped(Keys),
    /// Press a key toward the callee's end of the line → [`LegEvent::KeyNotSent`] if it does not leave us.
    PressKey(Key),
    /// Have the trunk pass the callee on → [`LegEvent::TransferAccepted`] or `TransferFailed`.
    Transfer {
        /// Whom to.
        to: TransferTarget,
        /// How long that may ring.
        ring: Duration,
    },
    /// Tell the agent what became of its call of a tool.
    AnswerTool {
        /// Of the agent's call of it.
        id: String,
        /// In words for the agent.
        result: String,
    },
    /// Ask the agent, in its own protocol, to end its call → [`AgentEvent::Closed`], if it listens.
    EndAgent,
    /// Close the agent's socket, or forget the agent where none is open.
    CloseAgent,
    /// Delete the room, which ends the phone's leg → [`RoomEvent::Deleted`] or `DeleteFailed`.
    DeleteRoom,
    /// Write the outcome, if nobody has → [`Input::OutcomeStored`]. Asked for again where that failed: the same
    /// owner, so that an earlier try that got through is found to be ours.
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
    /// The same for words that are not the last.
    AwaitPlayed,
    /// Stop.
    Close,
}

/// The times that bound an attempt, besides those of its plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    /// The job's deadline for taking the dial claim. A task that is started after it joins nothing and has no
    /// agent made.
    pub claim_by: Option<Instant>,
    /// When the callee's call hours end. From then on no dial claim is taken that permits a dial: the attempt is
    /// deferred.
    pub dial_until: Option<Instant>,
    /// How long after [`Input::Drain`] a call that rings or talks may go on. Zero: it ends at once.
    pub drain_for: Duration,
}

/// One attempt at a call.
#[derive(Debug)]
pub struct Call {
    plan: CallPlan,
    limits: Limits,
    /// We were told to stop: the end of what rings or talks until then.
    drain_by: Option<Instant>,
    room: OurRoom,
    state: State,
    effects: VecDeque<Effect>,
}

impl Call {
    /// Starts an attempt at `plan` in `room`, bounded by `limits`.
    pub fn new(plan: &CallPlan, room: Room, limits: Limits, now: Instant) -> Self {
        let state = State::first(plan, limits.claim_by, now);
        let mut call = Self {
            plan: plan.clone(),
            limits,
            drain_by: None,
            room: OurRoom::new(room),
            state,
            effects: VecDeque::new(),
        };
        let to = match &plan.leg {
            Leg::Outbound { to } => Some(to.masked()),
            Leg::Inbound => None,
        };
        let outbound = to.is_some();
        let room = call.room.name().to_owned();
        call.record(Fact::JobTaken { country: plan.profile.country.clone(), to, room });
        if outbound && call.is_after_hours(now) {
            call.state = call.defer(now);
            return call;
        }
        if limits.claim_by.is_some_and(|claim_by| claim_by <= now) {
            let ending = Ending::failed(Reason::BridgeError, "started after the job's deadline", true);
            call.state = call.give_up(ending, now);
            return call;
        }
        call.room.is_asked_for();
        call.want(Effect::JoinRoom);
        if outbound {
            call.want(Effect::CreateAgent);
        }
        call
    }

    /// Takes news. Synchronous and total.
    pub fn handle(&mut self, input: Input, now: Instant) {
        self.note(&input);
        if input == Input::Drain {
            self.drain_by.get_or_insert(now + self.limits.drain_for);
        }
        if let Input::Room(event) = &input {
            self.room.note(event);
        }
        let state = std::mem::replace(&mut self.state, State::Over);
        self.state = self.step(state, input, now);
    }

    /// The next thing to do; drain to `None` before the next [`Call::handle`].
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to send [`Input::Tick`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        let drain_by = self.drain_by.filter(|_| self.state.goes_on_when_drained());
        self.state.deadline(&self.plan.profile).into_iter().chain(drain_by).min()
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

    /// Has the time come that a call may go on for after we were told to stop?
    fn is_drained(&self, now: Instant) -> bool {
        self.drain_by.is_some_and(|drain_by| now >= drain_by)
    }

    fn is_after_hours(&self, now: Instant) -> bool {
        self.limits.dial_until.is_some_and(|until| now >= until)
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

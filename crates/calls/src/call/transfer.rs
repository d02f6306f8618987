//! Passing the callee on to somebody else: a cold transfer, by REFER through LiveKit.
//!
//! ```text
//! Talking ──asked──▶ Announcing ──said──▶ Asked ─┬─accepted──▶ Transferred ──the leg has gone──▶ Closing
//!    ▲                                           └─refused, failed, no reply─┐
//!    └──────────────────── the agent is told why ◀───────────────────────────┘
//! ```
//!
//! The person is between two others meanwhile. So the room is not deleted because the agent goes; and a leg that goes
//! is not a hang-up before the trunk has said how the transfer went.

use std::time::{Duration, Instant};

use super::state::{State, Talk};
use super::{
    AgentEvent, AudioCommand, Call, Effect, Input, LAST_WORDS_CAP, LAST_WORDS_TAIL, LegEvent, RoomEvent,
    RoomLoss, SoundEvent, millis,
};
use crate::fact::Fact;
use crate::outcome::EndReason;
use crate::phone::MaskedText;
use crate::tools::TRANSFER_CALL;
use crate::transfer::TransferTarget;

/// Beyond the time that its target may ring, how long a transfer's result is waited for.
pub const TRANSFER_REPLY: Duration = Duration::from_secs(4);
/// How long the result is still waited for once the callee's leg has gone: the two come over two connections.
pub const TRANSFER_VERDICT: Duration = Duration::from_secs(2);
/// How long a leg that was passed on may take to leave. livekit-sip gives the trunk a second to hang up and does it
/// itself then.
pub const LEG_LEAVES_CAP: Duration = Duration::from_secs(5);
/// A target that may not ring for so long is not called at all.
const LEAST_RING: Duration = Duration::from_secs(5);

/// A transfer under way.
#[derive(Debug)]
pub(super) struct Transferring {
    pub(super) talk: Talk,
    /// Of the agent's call of the tool.
    id: String,
    /// The target's name.
    to: String,
    step: Step,
    /// The callee's leg, or the room, has gone meanwhile: the word for it if that was no transfer.
    leg_gone: Option<EndReason>,
    /// The agent's call has ended meanwhile.
    agent_gone: Option<AgentGone>,
    pub(super) until: Instant,
}

#[derive(Debug)]
enum Step {
    /// What the agent said before is still being heard.
    Announcing { target: TransferTarget, ring: Duration, said: Option<Instant> },
    /// The trunk was asked.
    Asked { at: Instant },
}

/// How an agent went during a transfer.
#[derive(Clone, Copy, Debug)]
struct AgentGone {
    reason: EndReason,
    /// It has asked for the end, or we have, and may still say something.
    listens: bool,
    /// Its socket broke.
    broken: bool,
}

impl Transferring {
    /// When something is due although nothing comes in.
    pub(super) fn deadline(&self) -> Instant {
        match self.step {
            Step::Announcing { said: Some(said), .. } => said.min(self.until),
            _ => self.until,
        }
    }
}

impl Call {
    /// The agent wants the callee passed on.
    pub(super) fn begin_transfer(
        &mut self,
        talk: Talk,
        id: String,
        wanted: Result<String, &'static str>,
        now: Instant,
    ) -> State {
        match self.may_transfer(&talk, wanted, now) {
            Ok((to, target, ring)) => {
                self.want(Effect::Audio(AudioCommand::AwaitPlayed));
                State::Transferring(Transferring {
                    talk,
                    id,
                    to,
                    step: Step::Announcing { target, ring, said: None },
                    leg_gone: None,
                    agent_gone: None,
                    until: now + LAST_WORDS_CAP,
                })
            }
            Err(why) => {
                self.refuse_tool(id, TRANSFER_CALL, &format!("the call was not transferred: {why}"));
                State::Talking(talk)
            }
        }
    }

    /// To whom by name and address, and how long that may ring.
    fn may_transfer(
        &self,
        talk: &Talk,
        wanted: Result<String, &'static str>,
        now: Instant,
    ) -> Result<(String, TransferTarget, Duration), String> {
        let profile = &self.plan.profile;
        let targets = &profile.transfer.targets;
        if targets.is_empty() {
            return Err("there is nobody to transfer to".to_owned());
        }
        let wanted = wanted?;
        let found = targets.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted.trim()));
        let Some((name, target)) = found else {
            let names: Vec<&str> = targets.keys().map(String::as_str).collect();
            let wanted: String = wanted.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(format!("{} is not on the list: {}", MaskedText::of(&wanted), names.join(", ")));
        };
        if talk.sending.is_some() {
            return Err("keys are still being sent".to_owned());
        }
        // A transfer that the end of the call would cut off leaves a person with nobody.
        let ends = self.drain_by.into_iter().chain([talk.longest_end(profile)]).min().unwrap_or(now);
        let left = ends.saturating_duration_since(now).saturating_sub(LAST_WORDS_CAP + TRANSFER_REPLY);
        let ring = Duration::from_secs(profile.transfer.ring_seconds.into()).min(left);
        if ring < LEAST_RING.min(Duration::from_secs(profile.transfer.ring_seconds.into())) {
            return Err("the call is about to end".to_owned());
        }
        Ok((name.clone(), target.clone(), ring))
    }

    pub(super) fn transfer(&mut self, mut transfer: Transferring, input: Input, now: Instant) -> State {
        match input {
            Input::Leg(LegEvent::TransferAccepted) => return self.transferred(transfer, now),
            Input::Leg(LegEvent::TransferFailed { sip_status, detail }) => {
                return self.not_transferred(transfer, sip_status, &detail, now);
            }
            Input::Leg(LegEvent::Left { why, detail }) => {
                self.record(Fact::CalleeGone { detail });
                transfer.talk.leg_may_return = false;
                transfer.leg_goes(why.end_reason(), now);
            }
            Input::Leg(LegEvent::InRoom) => self.callee_is_back(&mut transfer.talk, now),
            Input::Room(event) => {
                transfer.talk.follow(&event, now);
                match event {
                    RoomEvent::Lost { loss: RoomLoss::Room, .. } => {
                        transfer.leg_goes(EndReason::RoomLost, now)
                    }
                    // The leg may well be there, and the trunk at it.
                    RoomEvent::Lost { .. } => {
                        transfer.leg_gone.get_or_insert(EndReason::RoomLost);
                    }
                    _ => {}
                }
            }
            Input::Agent(AgentEvent::HangUp { .. }) => {
                transfer.agent_goes(EndReason::AgentHangup, true, false);
            }
            Input::Agent(AgentEvent::Closed { clean, .. }) => {
                transfer.agent_goes(EndReason::AgentClosed, false, !clean);
            }
            Input::Agent(AgentEvent::ConnectFailed { .. } | AgentEvent::CreateFailed { .. }) => {
                transfer.agent_goes(EndReason::AgentClosed, false, true);
            }
            Input::Agent(AgentEvent::CalledTool { tool }) => {
                self.tool_while_transferring(&mut transfer, &tool, now)
            }
            Input::Agent(AgentEvent::Asks { id, call }) => {
                self.refuse_tool(id, call.tool(), "nothing was done: the call is being transferred");
                self.tool_while_transferring(&mut transfer, call.tool(), now);
            }
            Input::Drain | Input::Tick if self.is_drained(now) => {
                return self.hang_up(&transfer.talk, EndReason::Drained, now);
            }
            Input::Sound(SoundEvent::PlayedOut) => transfer.is_said(now),
            input => self.overhear(&mut transfer.talk, input, now),
        }
        self.go_on_transferring(transfer, now)
    }

    fn go_on_transferring(&mut self, mut transfer: Transferring, now: Instant) -> State {
        match (&transfer.step, transfer.leg_gone) {
            // Nobody was asked yet: what has gone has just gone.
            (Step::Announcing { .. }, Some(reason)) => return self.hang_up(&transfer.talk, reason, now),
            (Step::Announcing { target, ring, .. }, None) if now >= transfer.deadline() => {
                self.record(Fact::TransferAsked { to: transfer.to.clone() });
                self.want(Effect::Transfer { to: target.clone(), ring: *ring });
                transfer.until = now + *ring + TRANSFER_REPLY;
                transfer.step = Step::Asked { at: now };
            }
            (Step::Asked { .. }, _) if now >= transfer.until => {
                if transfer.leg_gone.is_none() {
                    let detail = format!("how a transfer to {} went was never told", transfer.to);
                    transfer.talk.detail = Some(detail);
                }
                return self.not_transferred(transfer, None, "nobody said in time how it went", now);
            }
            _ => {}
        }
        State::Transferring(transfer)
    }

    /// The person is with somebody else, or will be: whatever we do now, nobody is dropped.
    fn transferred(&mut self, transfer: Transferring, now: Instant) -> State {
        let Step::Asked { at } = transfer.step else { return State::Transferring(transfer) };
        self.record(Fact::Transferred { to: transfer.to, took_ms: millis(at, now) });
        self.leave_to_others(transfer.talk, transfer.leg_gone.is_some(), now)
    }

    /// A transfer that was given up has come about after all.
    pub(super) fn transferred_late(&mut self, talk: Talk, now: Instant) -> State {
        self.leave_to_others(talk, false, now)
    }

    fn leave_to_others(&mut self, mut talk: Talk, leg_gone: bool, now: Instant) -> State {
        talk.detail = None;
        if leg_gone {
            return self.hang_up(&talk, EndReason::Transferred, now);
        }
        self.want(Effect::CloseAgent);
        State::Transferred { talk, until: now + LEG_LEAVES_CAP }
    }

    /// The trunk's leg goes by itself; the room is deleted behind it.
    pub(super) fn await_leaving(
        &mut self,
        mut talk: Talk,
        until: Instant,
        input: Input,
        now: Instant,
    ) -> State {
        match input {
            Input::Leg(LegEvent::Left { detail, .. }) => {
                self.record(Fact::CalleeGone { detail });
                talk.leg_may_return = false;
            }
            Input::Room(ref event @ RoomEvent::Lost { .. }) => talk.follow(event, now),
            Input::Drain => {}
            _ if now >= until => {}
            _ => return State::Transferred { talk, until },
        }
        self.hang_up(&talk, EndReason::Transferred, now)
    }

    /// The person is still ours.
    fn not_transferred(
        &mut self,
        transfer: Transferring,
        sip_status: Option<u16>,
        detail: &str,
        now: Instant,
    ) -> State {
        if let Step::Announcing { .. } = transfer.step {
            return State::Transferring(transfer);
        }
        let Transferring { mut talk, id, to, leg_gone, agent_gone, .. } = transfer;
        self.record(Fact::TransferFailed { to: to.clone(), sip_status, detail: detail.to_owned() });
        if let Some(reason) = leg_gone {
            return self.hang_up(&talk, reason, now);
        }
        match agent_gone {
            None => {
                let result = format!(
                    "the call was not transferred to {to}: {detail}. The person is still on the line."
                );
                self.tool_is_done(&mut talk, id, &result, now);
                State::Talking(talk)
            }
            Some(AgentGone { broken: true, reason, .. }) => self.hang_up(&talk, reason, now),
            Some(AgentGone { reason, listens, .. }) => {
                if !listens {
                    self.want(Effect::AskWhyAgentEnded);
                }
                self.last_words(talk, reason, listens, now)
            }
        }
    }

    /// An agent that cannot wait is sent home, but not the person.
    fn tool_while_transferring(&mut self, transfer: &mut Transferring, tool: &str, now: Instant) {
        if self.is_tool_loop(&mut transfer.talk, tool, now) && transfer.agent_gone.is_none() {
            self.want(Effect::EndAgent);
            transfer.agent_goes(EndReason::AgentClosed, true, false);
        }
    }
}

impl Transferring {
    fn leg_goes(&mut self, reason: EndReason, now: Instant) {
        self.leg_gone.get_or_insert(reason);
        self.until = self.until.min(now + TRANSFER_VERDICT);
    }

    /// The first word for it stays.
    fn agent_goes(&mut self, reason: EndReason, listens: bool, broken: bool) {
        let reason = self.agent_gone.map_or(reason, |gone| gone.reason);
        self.agent_gone = Some(AgentGone { reason, listens, broken });
    }

    fn is_said(&mut self, now: Instant) {
        if let Step::Announcing { said, .. } = &mut self.step {
            said.get_or_insert(now + LAST_WORDS_TAIL);
        }
    }
}

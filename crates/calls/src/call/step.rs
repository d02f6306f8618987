//! What each state makes of each input.

use std::time::{Duration, Instant};

use super::state::{LastWords, Played, State, Talk};
use super::{
    AgentEvent, AgentFailure, AudioCommand, CLAIM_CAP, Call, Effect, Input, LAST_WORDS_CAP, LAST_WORDS_TAIL,
    LegEvent, RoomEvent, RoomFailure, SoundEvent, WHY_ENDED_CAP, WhyAgentEnded, millis,
};
use crate::fact::{Fact, Speaker};
use crate::outcome::{EndReason, Ending, Reason};

impl Call {
    pub(super) fn step(&mut self, state: State, input: Input, now: Instant) -> State {
        match state {
            State::Preparing { room, agent, until } => self.prepare(room, agent, until, input, now),
            State::Claiming { ending, until } => self.claim(ending, until, input, now),
            State::Dialing(dialing) => self.dial(dialing, input, now),
            State::Doubting { dialing, failure, until } => self.doubt(dialing, failure, until, input, now),
            State::WaitingForCaller { caller, agent } => self.wait(caller, agent, input, now),
            State::Talking(talk) => self.talk(talk, input, now),
            State::Transferring(transfer) => self.transfer(transfer, input, now),
            State::Transferred { talk, until } => self.await_leaving(talk, until, input, now),
            State::LastWords(words) => self.play_last_words(words, input, now),
            State::GivingUp { ending, until } => self.giving_up(ending, until, input, now),
            State::Closing(closing) => self.closing(closing, input, now),
            State::Storing(storing) => self.storing(storing, input, now),
            State::Over => State::Over,
        }
    }

    fn prepare(&mut self, room: bool, agent: bool, until: Instant, input: Input, now: Instant) -> State {
        let (room, agent) = match input {
            Input::Room(RoomEvent::Joined { .. }) => (true, agent),
            Input::Agent(AgentEvent::Created { .. }) => (room, true),
            Input::Room(RoomEvent::JoinFailed { failure, detail }) => {
                return self.give_up(Ending::failed(room_reason(failure), &detail, true), now);
            }
            Input::Room(RoomEvent::Lost { detail, .. }) => {
                return self.give_up(Ending::failed(Reason::LivekitUnreachable, &detail, true), now);
            }
            Input::Agent(AgentEvent::CreateFailed { failure, detail }) => {
                return self.give_up(Ending::failed(agent_reason(failure), &detail, true), now);
            }
            Input::Drain => return self.give_up(drained_before_the_dial(), now),
            Input::Tick if now >= until => return self.give_up(not_ready_in_time(room), now),
            _ => (room, agent),
        };
        if !(room && agent) {
            return State::Preparing { room, agent, until };
        }
        if self.is_after_hours(now) {
            return self.defer(now);
        }
        if now >= until {
            return self.give_up(
                Ending::failed(Reason::BridgeError, "ready only after the job's deadline", true),
                now,
            );
        }
        self.want(Effect::ClaimDial { failed_before_dial: None });
        State::Claiming { ending: None, until: now + CLAIM_CAP }
    }

    /// The claim's reply decides what may be written; so what ends the call meanwhile waits for it.
    fn claim(&mut self, ending: Option<Ending>, until: Instant, input: Input, now: Instant) -> State {
        let ending = match input {
            Input::Leg(LegEvent::ClaimOurs) => {
                return match ending {
                    Some(ending) => self.close(Some(ending), None, now),
                    None => self.start_dialing(now),
                };
            }
            Input::Leg(LegEvent::ClaimTaken { .. } | LegEvent::ClaimFailed { .. }) => {
                return self.close(None, None, now);
            }
            Input::Tick if now >= until => {
                let too_late =
                    || Ending::failed(Reason::BridgeError, "the permission to ring came too late", true);
                return self.leave_unclaimed(ending.unwrap_or_else(too_late), now);
            }
            Input::Drain => ending.or_else(|| Some(drained_before_the_dial())),
            Input::Room(RoomEvent::Lost { detail, .. }) => {
                ending.or_else(|| Some(Ending::failed(Reason::LivekitUnreachable, &detail, true)))
            }
            _ => ending,
        };
        State::Claiming { ending, until }
    }

    pub(super) fn start_talking(&mut self, delay: Duration, agent_created: bool, now: Instant) -> Talk {
        self.record(Fact::Answered { after_ms: u64::try_from(delay.as_millis()).unwrap_or(u64::MAX) });
        self.want(Effect::Audio(AudioCommand::Open));
        if agent_created {
            self.want(Effect::ConnectAgent);
        }
        let leg_may_return = self.room.is_deaf();
        Talk { leg_may_return, ..Talk::new(now, delay, agent_created) }
    }

    fn wait(&mut self, caller: bool, agent: bool, input: Input, now: Instant) -> State {
        match input {
            Input::Leg(LegEvent::CallerJoined { .. }) if !caller => {
                self.want(Effect::CreateAgent);
                State::WaitingForCaller { caller: true, agent }
            }
            Input::Room(RoomEvent::Joined { .. }) => {
                if !caller {
                    self.record(Fact::WaitingForCaller { room: self.room.name().to_owned() });
                }
                State::WaitingForCaller { caller, agent }
            }
            Input::Agent(AgentEvent::Created { .. }) => State::WaitingForCaller { caller, agent: true },
            Input::Leg(LegEvent::Active) if caller => {
                State::Talking(self.start_talking(Duration::ZERO, agent, now))
            }
            Input::Leg(LegEvent::Left { detail, .. }) if caller => {
                self.record(Fact::CalleeGone { detail: detail.clone() });
                self.close(Some(Ending::not_answered(Reason::NoAnswer, &detail)), None, now)
            }
            Input::Room(RoomEvent::JoinFailed { failure, detail }) => {
                self.give_up(Ending::failed(room_reason(failure), &detail, false), now)
            }
            Input::Room(RoomEvent::Lost { detail, .. }) => {
                self.give_up(Ending::failed(Reason::LivekitUnreachable, &detail, false), now)
            }
            Input::Agent(AgentEvent::CreateFailed { failure, detail }) => {
                self.give_up(Ending::failed(agent_reason(failure), &detail, false), now)
            }
            Input::Drain => self.give_up(Ending::failed(Reason::Drained, "told to stop", false), now),
            _ => State::WaitingForCaller { caller, agent },
        }
    }

    fn talk(&mut self, mut talk: Talk, input: Input, now: Instant) -> State {
        match input {
            Input::Leg(LegEvent::Left { why, detail }) => {
                self.record(Fact::CalleeGone { detail });
                talk.leg_may_return = false;
                return self.hang_up(&talk, why.end_reason(), now);
            }
            Input::Leg(LegEvent::InRoom) => self.callee_is_back(&mut talk, now),
            Input::Room(event) => {
                talk.follow(&event, now);
                if matches!(event, RoomEvent::Lost { .. }) {
                    return self.hang_up(&talk, EndReason::RoomLost, now);
                }
            }
            Input::Agent(AgentEvent::CalledTool { tool }) if self.is_tool_loop(&mut talk, &tool, now) => {
                return self.say_goodbye(talk, EndReason::AgentClosed, now);
            }
            Input::Agent(AgentEvent::Asks { id, call }) => return self.run_tool(talk, id, call, now),
            Input::Leg(LegEvent::TransferAccepted) => return self.transferred_late(talk, now),
            Input::Agent(AgentEvent::HangUp { .. }) => {
                return self.last_words(talk, EndReason::AgentHangup, true, now);
            }
            Input::Agent(AgentEvent::Closed { clean: true, .. }) => {
                self.want(Effect::AskWhyAgentEnded);
                return self.last_words(talk, EndReason::AgentClosed, false, now);
            }
            Input::Agent(
                AgentEvent::Closed { .. }
                | AgentEvent::ConnectFailed { .. }
                | AgentEvent::CreateFailed { .. },
            ) => return self.hang_up(&talk, EndReason::AgentClosed, now),
            Input::Drain if self.is_drained(now) => return self.hang_up(&talk, EndReason::Drained, now),
            Input::Tick if now >= talk.longest_end(&self.plan.profile) => {
                self.record(Fact::MaxDuration);
                return self.hang_up(&talk, EndReason::MaxDuration, now);
            }
            Input::Tick if talk.silent_end(&self.plan.profile).is_some_and(|end| now >= end) => {
                self.record(Fact::AgentSilent { silent_seconds: self.plan.profile.agent.silence_seconds });
                return self.hang_up(&talk, EndReason::SilenceWatchdog, now);
            }
            Input::Tick if talk.return_end().is_some_and(|end| now >= end) => {
                let detail = "the callee did not come back into the room that we joined anew".to_owned();
                self.record(Fact::CalleeGone { detail: detail.clone() });
                talk.detail = Some(detail);
                return self.hang_up(&talk, EndReason::MediaLost, now);
            }
            Input::Tick if self.is_drained(now) => return self.say_goodbye(talk, EndReason::Drained, now),
            input => self.overhear(&mut talk, input, now),
        }
        State::Talking(talk)
    }

    pub(super) fn callee_is_back(&mut self, talk: &mut Talk, now: Instant) {
        if let Some(since) = talk.awaited_since.take() {
            talk.leg_may_return = false;
            self.record(Fact::CalleeBack { after_ms: millis(since, now) });
        }
    }

    /// What changes nothing but what is known of the talk.
    pub(super) fn overhear(&mut self, talk: &mut Talk, input: Input, now: Instant) {
        match input {
            Input::Agent(AgentEvent::Created { .. }) if !std::mem::replace(&mut talk.agent_created, true) => {
                self.want(Effect::ConnectAgent);
            }
            Input::Agent(AgentEvent::Connected { .. }) => {
                talk.agent_connected = true;
                talk.silent_since = Some(now);
                self.check_bridge(talk);
            }
            Input::Agent(AgentEvent::Heard) => talk.silent_since = talk.silent_since.map(|_| now),
            Input::Leg(LegEvent::Dtmf { digit }) => talk.typed.take(&digit, now),
            Input::Leg(LegEvent::KeyNotSent { detail }) => self.key_not_sent(talk, &detail, now),
            Input::Agent(AgentEvent::Said { by: Speaker::Callee, .. }) => self.is_understood(talk, now),
            Input::Sound(SoundEvent::Second(second)) => self.look_at_sound(talk, &second, now),
            Input::Sound(event) => self.hear(talk, event, now),
            _ => {}
        }
        self.tell_typed(talk, now);
        self.press_due(talk, now);
    }

    fn hear(&mut self, talk: &mut Talk, event: SoundEvent, now: Instant) {
        match event {
            SoundEvent::CalleeHeard => {
                talk.callee_heard = true;
                self.check_bridge(talk);
            }
            SoundEvent::FirstAgentAudio if talk.first_agent_audio.is_none() => {
                talk.first_agent_audio = Some(now.saturating_duration_since(talk.answered));
                self.record(Fact::FirstAgentAudio { after_answer_ms: millis(talk.answered, now) });
            }
            SoundEvent::Flushed { dropped_ms, tail_ms } if dropped_ms > 0 => {
                talk.barge_ins += 1;
                self.record(Fact::BargeIn { dropped_ms, tail_ms });
            }
            SoundEvent::FirstAgentAudio
            | SoundEvent::Flushed { .. }
            | SoundEvent::PlayedOut
            | SoundEvent::Second(_) => {}
        }
    }

    fn check_bridge(&mut self, talk: &mut Talk) {
        if talk.agent_connected && talk.callee_heard && !std::mem::replace(&mut talk.bridge_active, true) {
            self.record(Fact::BridgeActive);
        }
    }

    /// We end the call: the agent is told in its own words, and what it has said is played to the end.
    pub(super) fn say_goodbye(&mut self, talk: Talk, reason: EndReason, now: Instant) -> State {
        if !talk.agent_connected {
            return self.hang_up(&talk, reason, now);
        }
        self.want(Effect::EndAgent);
        self.last_words(talk, reason, true, now)
    }

    /// The agent ends, by whosever wish: play what it said to the end. One whose socket is closed already is asked
    /// why, and waited for.
    pub(super) fn last_words(
        &mut self,
        talk: Talk,
        reason: EndReason,
        socket_open: bool,
        now: Instant,
    ) -> State {
        self.want(Effect::Audio(AudioCommand::PlayOut));
        let why_by = (!socket_open).then_some(now + WHY_ENDED_CAP);
        State::LastWords(LastWords {
            talk,
            reason,
            socket_open,
            played: Played::No,
            why_by,
            until: now + LAST_WORDS_CAP,
        })
    }

    fn play_last_words(&mut self, mut words: LastWords, input: Input, now: Instant) -> State {
        match input {
            Input::Leg(LegEvent::Left { detail, .. }) => {
                self.record(Fact::CalleeGone { detail });
                words.talk.leg_may_return = false;
                words.until = now;
            }
            Input::Leg(LegEvent::InRoom) => self.callee_is_back(&mut words.talk, now),
            Input::Room(event) => {
                words.talk.follow(&event, now);
                if matches!(event, RoomEvent::Lost { .. }) {
                    words.until = now;
                }
            }
            Input::Drain => words.until = self.drain_by.map_or(now, |by| by.min(words.until)),
            Input::Agent(AgentEvent::Closed { .. }) if words.socket_open => {
                // More may have come since we asked; what is queued now is all there is.
                words.socket_open = false;
                words.played = Played::No;
                self.want(Effect::Audio(AudioCommand::PlayOut));
            }
            Input::Agent(AgentEvent::Asks { id, .. }) => self.answer_too_late(id),
            Input::Agent(AgentEvent::WhyEnded(why)) => {
                words.why_by = None;
                words.reason = match why {
                    WhyAgentEnded::HungUp => EndReason::AgentHangup,
                    WhyAgentEnded::MaxDuration => EndReason::MaxDuration,
                    WhyAgentEnded::Other => words.reason,
                };
            }
            Input::Sound(SoundEvent::PlayedOut) => words.played = Played::Leaving(now + LAST_WORDS_TAIL),
            Input::Sound(event) => self.hear(&mut words.talk, event, now),
            _ => {}
        }
        if matches!(words.played, Played::Leaving(heard) if now >= heard) {
            words.played = Played::Heard;
        }
        words.why_by = words.why_by.filter(|why_by| now < *why_by);
        let all_said = words.played == Played::Heard && !words.socket_open && words.why_by.is_none();
        if all_said || now >= words.until {
            return self.hang_up(&words.talk, words.reason, now);
        }
        State::LastWords(words)
    }
}

fn drained_before_the_dial() -> Ending {
    Ending::failed(Reason::Drained, "told to stop before the dial", true)
}

fn room_reason(failure: RoomFailure) -> Reason {
    match failure {
        RoomFailure::Auth => Reason::LivekitAuth,
        RoomFailure::Unreachable | RoomFailure::Other => Reason::LivekitUnreachable,
    }
}

fn agent_reason(failure: AgentFailure) -> Reason {
    match failure {
        AgentFailure::Account => Reason::AgentAccount,
        AgentFailure::Busy => Reason::AgentBusy,
        AgentFailure::Error => Reason::AgentError,
    }
}

fn not_ready_in_time(room_joined: bool) -> Ending {
    if room_joined {
        Ending::failed(Reason::AgentError, "the agent was not ready in time", true)
    } else {
        Ending::failed(Reason::LivekitUnreachable, "the room was not joined in time", true)
    }
}

//! News becomes facts, whatever the state; facts that happen once a call are recorded by the steps.

use super::state::State;
use super::{AgentEvent, Call, Input, LegEvent, NotStored, RoomEvent, SoundEvent};
use crate::fact::Fact;
use crate::phone::MaskedText;
use crate::plan::Leg;

impl Call {
    pub(super) fn note(&mut self, input: &Input) {
        let fact = match input {
            // Our own deletion ends our own session: no news.
            Input::Room(RoomEvent::Lost { .. }) if self.is_tidying_up() => None,
            Input::Room(event) => room_fact(event),
            Input::Agent(event) => agent_fact(event),
            Input::Leg(event) => self.leg_fact(event),
            Input::OutcomeStored(Ok(())) => Some(Fact::OutcomeWritten),
            Input::OutcomeStored(Err(NotStored::AnotherIsThere(detail))) => {
                Some(Fact::OutcomeNotWritten { detail: detail.clone() })
            }
            Input::Sound(SoundEvent::Second(second)) => Some(Fact::SoundSecond(*second)),
            Input::Drain => Some(Fact::Draining),
            // An outcome that is not written yet is no fact before its last try has failed.
            Input::OutcomeStored(Err(NotStored::Failed(_))) | Input::Sound(_) | Input::Tick => None,
        };
        if let Some(fact) = fact {
            self.record(fact);
        }
    }

    fn is_tidying_up(&self) -> bool {
        matches!(self.state, State::Closing(_) | State::Storing { .. } | State::Over)
    }

    fn leg_fact(&self, event: &LegEvent) -> Option<Fact> {
        Some(match event {
            LegEvent::ClaimOurs => Fact::DialClaimed,
            LegEvent::ClaimTaken { detail } => Fact::Duplicate { detail: detail.clone() },
            LegEvent::ClaimFailed { detail } => Fact::DialClaimFailed { detail: detail.clone() },
            LegEvent::Dialing => self.dialing_fact()?,
            LegEvent::CallerJoined { identity } => Fact::CallerJoined { identity: MaskedText::of(identity) },
            LegEvent::Dtmf { digit } => Fact::Dtmf { digit: digit.clone() },
            LegEvent::Dialed
            | LegEvent::DialFailed(_)
            | LegEvent::InRoom
            | LegEvent::Ringing
            | LegEvent::Active
            | LegEvent::KeyNotSent { .. }
            | LegEvent::TransferAccepted
            | LegEvent::TransferFailed { .. }
            | LegEvent::Left { .. } => {
                return None;
            }
        })
    }

    fn dialing_fact(&self) -> Option<Fact> {
        let Leg::Outbound { to } = &self.plan.leg else { return None };
        Some(Fact::Dialing {
            to: to.masked(),
            trunk: self.plan.profile.livekit.trunk_id.clone(),
            ring_seconds: self.plan.profile.dial.ring_seconds,
        })
    }
}

fn room_fact(event: &RoomEvent) -> Option<Fact> {
    Some(match event {
        RoomEvent::Joined { took_ms } => Fact::RoomJoined { took_ms: *took_ms },
        RoomEvent::JoinFailed { detail, .. } => Fact::RoomJoinFailed { detail: detail.clone() },
        RoomEvent::Reconnecting => Fact::RoomReconnecting,
        RoomEvent::Resumed => Fact::RoomResumed,
        RoomEvent::Rejoined { away_ms } => Fact::RoomRejoined { away_ms: *away_ms },
        RoomEvent::Lost { detail, .. } => Fact::RoomLost { detail: detail.clone() },
        RoomEvent::Deleted { took_ms } => Fact::RoomDeleted { took_ms: *took_ms },
        RoomEvent::DeleteFailed { detail } => Fact::RoomDeleteFailed { detail: detail.clone() },
    })
}

fn agent_fact(event: &AgentEvent) -> Option<Fact> {
    Some(match event {
        AgentEvent::Created { agent_call_id, took_ms } => {
            Fact::AgentCreated { agent_call_id: agent_call_id.clone(), took_ms: *took_ms }
        }
        AgentEvent::AskedToWait { status, wait_ms } => {
            Fact::AgentAskedToWait { status: *status, wait_ms: *wait_ms }
        }
        AgentEvent::CreateFailed { detail, .. } => Fact::AgentCreateFailed { detail: detail.clone() },
        AgentEvent::Connected { took_ms } => Fact::AgentConnected { took_ms: *took_ms },
        AgentEvent::ConnectFailed { detail } => Fact::AgentClosed { clean: false, detail: detail.clone() },
        AgentEvent::Started => Fact::AgentStarted,
        AgentEvent::State(state) => Fact::AgentState { state: state.clone() },
        AgentEvent::Said { by, text } => Fact::Said { by: *by, text: text.clone() },
        AgentEvent::HangUp { detail } => Fact::AgentHangUp { detail: detail.clone() },
        AgentEvent::Closed { clean, detail } => Fact::AgentClosed { clean: *clean, detail: detail.clone() },
        AgentEvent::NotUnderstood { detail } => Fact::AgentMessageIgnored { detail: detail.clone() },
        AgentEvent::Heard
        | AgentEvent::CalledTool { .. }
        | AgentEvent::Asks { .. }
        | AgentEvent::WhyEnded(_) => return None,
    })
}

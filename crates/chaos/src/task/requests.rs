//! What a task asks of others, and what they answer: each may be away, slow, or say something else than it did.

use calls::call::{AgentEvent, AgentFailure, Input, LegEvent, NotStored, RoomEvent, RoomFailure, SoundEvent};
use calls::ids::AttemptId;
use calls::outcome::{Ending, OutcomeKind};

use crate::broken::Rule;
use crate::clock::{MINUTE, Ms, SECOND};
use crate::event::Event;
use crate::store::{Document, Outcome, Owner, PAUSE, Put};
use crate::weather::Service;
use crate::world::{Pid, World};

/// An agent's call that nobody joins ends after this.
const UNJOINED_FOR: Ms = 5 * MINUTE;

/// A request of a task, on its way. It is carried out even if its sender dies meanwhile.
#[derive(Clone, Debug)]
pub enum Request {
    /// Join the room.
    Join {
        /// Whose.
        attempt: AttemptId,
        /// Which.
        room: String,
    },
    /// Have an agent's call made.
    CreateAgent(AttemptId),
    /// Put a document.
    Put {
        /// Into whose folder.
        attempt: AttemptId,
        /// Which.
        document: Document,
        /// Drawn for this claim.
        owner: Owner,
        /// Tried until then.
        until: Ms,
    },
    /// Open the agent's socket.
    Connect(String),
    /// Delete the room.
    DeleteRoom {
        /// Which.
        room: String,
        /// Tried until then.
        until: Ms,
    },
}

impl World {
    /// A task's request arrives.
    pub(crate) fn call_asks(&mut self, pid: Pid, request: Request) {
        match request {
            Request::Join { attempt, room } => self.joins(pid, &attempt, &room),
            Request::CreateAgent(attempt) => self.creates_agent(pid, &attempt),
            Request::Put { attempt, document, owner, until } => {
                let put = self.put(&attempt, &document, owner);
                if put == Put::Trouble && self.clock.now() < until {
                    let request = Box::new(Request::Put { attempt, document, owner, until });
                    return self.clock.after(PAUSE, Event::CallAsks { pid, request });
                }
                let input = self.told_of_put(pid, &document, put);
                self.tells_later(pid, 2, 200, input);
            }
            Request::Connect(agent) => self.connects(pid, &agent),
            Request::DeleteRoom { room, until } => {
                let away = self.weather.is_away(Service::Livekit, self.clock.now())
                    || self.strikes(self.weather.fails);
                if away && self.clock.now() < until {
                    let request = Box::new(Request::DeleteRoom { room, until });
                    return self.clock.after(500, Event::CallAsks { pid, request });
                }
                let event = if away {
                    RoomEvent::DeleteFailed { detail: "LiveKit does not answer".to_owned() }
                } else {
                    self.delete_room(&room);
                    RoomEvent::Deleted { took_ms: 50 }
                };
                self.tells_later(pid, 2, 300, Input::Room(event));
            }
        }
    }

    fn told_of_put(&mut self, pid: Pid, document: &Document, put: Put) -> Input {
        let detail = "somebody else's is there".to_owned();
        if let Document::Outcome(_) = document {
            return Input::OutcomeStored(match put {
                Put::Ours => Ok(()),
                Put::Theirs => Err(NotStored::AnotherIsThere(detail)),
                Put::Trouble => Err(NotStored::Failed("the store does not answer".to_owned())),
            });
        }
        if put != Put::Ours && self.breaks(Rule::OutcomeWithoutHolding) {
            self.write_without_holding(pid);
        }
        Input::Leg(match put {
            Put::Theirs if self.breaks(Rule::SkipDialClaim) => LegEvent::ClaimOurs,
            Put::Ours => LegEvent::ClaimOurs,
            Put::Theirs => LegEvent::ClaimTaken { detail },
            Put::Trouble => LegEvent::ClaimFailed { detail: "the store does not answer".to_owned() },
        })
    }

    fn write_without_holding(&mut self, pid: Pid) {
        let Some(attempt) = self.tasks.get(&pid).map(|process| process.attempt.clone()) else { return };
        let outcome = self.outcome_of(pid, &attempt, Ending::of(OutcomeKind::Failed));
        let owner = self.dice.bits();
        self.request_put(pid, 0, &attempt, Document::Outcome(outcome), owner);
    }

    pub(super) fn outcome_of(&self, pid: Pid, id: &AttemptId, ending: Ending) -> Outcome {
        let now = self.clock.wall();
        let says = calls::outcome::Outcome::new(ending, id.number, now, now, "chaos");
        Outcome { by: pid, says: Box::new(says) }
    }

    fn joins(&mut self, pid: Pid, attempt: &AttemptId, room: &str) {
        let failed =
            |failure, detail: &str| Input::Room(RoomEvent::JoinFailed { failure, detail: detail.to_owned() });
        if self.weather.is_away(Service::Livekit, self.clock.now()) {
            if self.dice.in_thousand(700) {
                self.tells_later(pid, SECOND, 10 * SECOND, failed(RoomFailure::Unreachable, "no route"));
            }
            return;
        }
        if self.strikes(self.weather.fails * 2) {
            if self.dice.in_thousand(500) {
                self.open_room(room, attempt, None);
            }
            let failure = *self.dice.one_of(&[RoomFailure::Other, RoomFailure::Auth]);
            return self.tells_later(pid, 100, 12 * SECOND, failed(failure, "not joined"));
        }
        let lives = self.tasks.contains_key(&pid);
        self.open_room(room, attempt, lives.then_some(pid));
        self.tells_later(pid, 100, 2_500, Input::Room(RoomEvent::Joined { took_ms: 300 }));
    }

    fn creates_agent(&mut self, pid: Pid, attempt: &AttemptId) {
        if self.weather.is_away(Service::Vendor, self.clock.now()) || self.strikes(self.weather.fails * 2) {
            let failure =
                *self.dice.one_of(&[AgentFailure::Busy, AgentFailure::Error, AgentFailure::Account]);
            let failed = AgentEvent::CreateFailed { failure, detail: "the vendor says no".to_owned() };
            return self.tells_later(pid, 200, 30 * SECOND, Input::Agent(failed));
        }
        // A create whose reply is lost is asked for again: the first one is never joined.
        let times = if self.strikes(self.weather.reply_lost) { 2 } else { 1 };
        for time in 1..=times {
            let id = self.vendor.create(attempt);
            self.clock.after(UNJOINED_FOR, Event::AgentCallEnds { id: id.clone(), only_unjoined: true });
            if time == times {
                let created = AgentEvent::Created { agent_call_id: id, took_ms: 400 };
                self.tells_later(pid, 200, 4 * SECOND, Input::Agent(created));
            }
        }
    }

    fn connects(&mut self, pid: Pid, agent: &str) {
        let lives = self.tasks.contains_key(&pid);
        if !lives || self.strikes(self.weather.fails) || !self.vendor.join(agent) {
            let failed = AgentEvent::ConnectFailed { detail: "no socket".to_owned() };
            return self.tells_later(pid, 100, 3 * SECOND, Input::Agent(failed));
        }
        self.tells_later(pid, 50, 900, Input::Agent(AgentEvent::Connected { took_ms: 200 }));
        self.tells_later(pid, 1_000, 4_000, Input::Sound(SoundEvent::CalleeHeard));
        self.tells_later(pid, 1_000, 5_000, Input::Sound(SoundEvent::FirstAgentAudio));
        let detail = || "the agent's side".to_owned();
        let ends = match self.dice.weighted(&[55, 25, 10, 10]) {
            0 => AgentEvent::HangUp { detail: detail() },
            1 => AgentEvent::Closed { clean: true, detail: detail() },
            2 => AgentEvent::Closed { clean: false, detail: detail() },
            _ => return,
        };
        let after = self.dice.skewed(5 * SECOND, 8 * MINUTE);
        self.clock.after(after, Event::CallHears { pid, input: Box::new(Input::Agent(ends.clone())) });
        if matches!(ends, AgentEvent::HangUp { .. }) {
            let closed = Input::Agent(AgentEvent::Closed { clean: true, detail: detail() });
            self.clock.after(after + 400, Event::CallHears { pid, input: Box::new(closed) });
        }
    }
}

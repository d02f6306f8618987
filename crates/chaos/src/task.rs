//! The hands of `calls::call`: a task that carries one attempt, and may die, stall or be told to stop at any step.

use std::time::Duration;

use calls::call::{
    AgentEvent, AgentFailure, AudioCommand, Call, Effect, Input, LegEvent, Limits, NotStored, Room,
    RoomEvent, RoomFailure, SoundEvent, WhyAgentEnded,
};
use calls::hours::Hours;
use calls::ids::{AttemptId, Nonce, room_name};
use calls::outcome::{Ending, OutcomeKind};
use calls::plan::CallPlan;
use calls::sip_outcome::{DialFailure, NotSent};

use crate::broken::Rule;
use crate::clock::{HOUR, MINUTE, Ms, SECOND};
use crate::ecs::{Ecs, TaskNumber};
use crate::event::Event;
use crate::livekit::Dialed;
use crate::store::{DialClaim, Document, Job, Outcome, Owner, PAUSE, Put, TRY_FOR};
use crate::weather::Service;
use crate::world::{Pid, World};

/// After the claim the dial may still leave for so long.
const INVITE_WITHIN: Ms = 30 * SECOND;
/// Beyond `inviteBy`, ring time and longest call, before anyone may settle the attempt.
const SETTLE_MARGIN: Ms = 120 * SECOND;
/// How long one wish to delete the room is tried.
const DELETE_FOR: Ms = 17 * SECOND;
/// From SIGTERM to SIGKILL.
const STOP_TIMEOUT: Ms = 120 * SECOND;
/// After SIGTERM a call may go on for so long.
const DRAIN_FOR: Duration = Duration::from_secs(105);
/// An agent's call that nobody joins ends after this.
const UNJOINED_FOR: Ms = 5 * MINUTE;
/// An agent's call whose bridge is gone without a word ends after this, if the vendor does not notice.
const VENDORS_LONGEST_CALL: Ms = 3 * HOUR;

/// A task with its call.
#[derive(Debug)]
pub struct TaskProcess {
    call: Call,
    /// Which attempt it carries.
    pub attempt: AttemptId,
    /// Which task of ECS it is.
    pub task: TaskNumber,
    /// Its room.
    pub room: String,
    plan: Box<CallPlan>,
    agent: Option<String>,
    outcome_owner: Owner,
    /// Its dial may leave until then, and its token expires then.
    invite_by: Option<Ms>,
    wakes_at: Option<Ms>,
    /// It stalls: nothing of it moves until then.
    pub stalls_until: Ms,
    /// It is in its room.
    pub joined: bool,
    /// What happens in its room does not reach it until then.
    pub deaf_until: Ms,
    /// When the last news of its room arrives: they come over one connection, in their order.
    pub last_news: Ms,
    wrote_outcome: bool,
}

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
    /// A task has read its job.
    pub(crate) fn task_begins(&mut self, task: TaskNumber, attempt: &AttemptId, job: &Job) -> Pid {
        let pid = self.new_pid();
        let nonce = Nonce(format!("{:016x}", self.dice.bits()));
        let room = room_name(attempt, &nonce);
        let claim_by = self.clock.instant_at(self.clock.ms_of_wall(job.deadline));
        let dial_until = match Hours::of(&job.plan.profile, self.clock.wall()) {
            Hours::Open { until } => until.map(|until| self.clock.instant_at(self.clock.ms_of_wall(until))),
            Hours::Shut { .. } => Some(self.clock.instant()),
        };
        let limits = Limits { claim_by: Some(claim_by), dial_until, drain_for: DRAIN_FOR };
        let call = Call::new(&job.plan, Room::Own(room.clone()), limits, self.clock.instant());
        let process = TaskProcess {
            call,
            attempt: attempt.clone(),
            task,
            room,
            plan: job.plan.clone(),
            agent: None,
            outcome_owner: self.dice.bits(),
            invite_by: None,
            wakes_at: None,
            stalls_until: 0,
            joined: false,
            deaf_until: 0,
            last_news: 0,
            wrote_outcome: false,
        };
        self.note(attempt, || format!("task-{task} runs as {pid}"));
        if self.strikes(self.weather.killed) {
            let after = self.dice.skewed(0, 3 * MINUTE);
            self.clock.after(after, Event::Dies(pid));
        }
        if self.strikes(self.weather.drained) {
            let after = self.dice.skewed(0, 3 * MINUTE);
            self.clock.after(after, Event::Drains(pid));
        }
        self.carry_on(pid, process);
        pid
    }

    /// Does what the call wants, until it waits for news, dies, or is over.
    fn carry_on(&mut self, pid: Pid, mut process: TaskProcess) {
        while let Some(effect) = process.call.poll_effect() {
            match effect {
                Effect::Record(fact) => self.note(&process.attempt, || format!("task {pid}: {fact:?}")),
                Effect::Finish => {
                    self.tasks.insert(pid, process);
                    return self.task_ends(pid, "it is over");
                }
                effect => {
                    if self.strikes(self.weather.dies) {
                        self.note(&process.attempt, || format!("task {pid} dies before {effect:?}"));
                        self.tasks.insert(pid, process);
                        return self.task_ends(pid, "killed");
                    }
                    self.perform(pid, &mut process, effect);
                    if self.strikes(self.weather.dies) {
                        self.tasks.insert(pid, process);
                        return self.task_ends(pid, "killed");
                    }
                }
            }
        }
        let wake = process.call.poll_timeout().map(|at| self.clock.ms_of(at));
        if wake != process.wakes_at
            && let Some(at) = wake
        {
            self.clock.after(at.saturating_sub(self.clock.now()), Event::CallWakes { pid, at });
        }
        process.wakes_at = wake;
        self.tasks.insert(pid, process);
    }

    fn perform(&mut self, pid: Pid, process: &mut TaskProcess, effect: Effect) {
        let stall = if self.strikes(self.weather.stalls) { self.dice.skewed(SECOND, 30 * MINUTE) } else { 0 };
        process.stalls_until = process.stalls_until.max(self.clock.now() + stall);
        let attempt = process.attempt.clone();
        match effect {
            Effect::JoinRoom => {
                self.request(pid, stall, Request::Join { attempt, room: process.room.clone() });
            }
            Effect::CreateAgent => self.request(pid, stall, Request::CreateAgent(attempt)),
            Effect::ClaimDial { failed_before_dial } => {
                let claim = self.claim_of(pid, process, failed_before_dial);
                let owner = self.dice.bits();
                self.request_put(pid, stall, &attempt, Document::Dial(Box::new(claim)), owner);
            }
            Effect::Dial => self.dial(pid, process, stall),
            Effect::ConnectAgent => {
                if let Some(agent) = process.agent.clone() {
                    self.request(pid, stall, Request::Connect(agent));
                }
            }
            Effect::Audio(AudioCommand::PlayOut) if !self.strikes(30) => {
                self.tells_later(pid, 0, 4 * SECOND, Input::Sound(SoundEvent::PlayedOut));
            }
            Effect::AskWhyAgentEnded if !self.strikes(30) => {
                let why = *self.dice.one_of(&[
                    WhyAgentEnded::HungUp,
                    WhyAgentEnded::Other,
                    WhyAgentEnded::MaxDuration,
                ]);
                self.tells_later(pid, 100, 1_500, Input::Agent(AgentEvent::WhyEnded(why)));
            }
            Effect::EndAgent => {
                let detail = "it was asked to".to_owned();
                self.tells_later(
                    pid,
                    50,
                    3 * SECOND,
                    Input::Agent(AgentEvent::Closed { clean: true, detail }),
                );
            }
            Effect::CloseAgent => {
                // A call that nobody joined is left to expire: the vendor has no other end for it.
                if let Some(id) =
                    process.agent.clone().filter(|id| self.vendor.calls.get(id).is_some_and(|c| c.joined))
                {
                    self.clock.after(200, Event::AgentCallEnds { id, only_unjoined: false });
                }
            }
            Effect::DeleteRoom => {
                let until = self.clock.now() + stall + DELETE_FOR;
                self.request(pid, stall, Request::DeleteRoom { room: process.room.clone(), until });
            }
            Effect::WriteOutcome(ending) => {
                process.wrote_outcome = true;
                let outcome = self.outcome_of(pid, &attempt, ending);
                self.request_put(pid, stall, &attempt, Document::Outcome(outcome), process.outcome_owner);
            }
            Effect::Audio(_) | Effect::AskWhyAgentEnded | Effect::Record(_) | Effect::Finish => {}
        }
    }

    fn request(&mut self, pid: Pid, stall: Ms, request: Request) {
        let takes = stall + self.dice.skewed(2, 300);
        self.clock.after(takes, Event::CallAsks { pid, request: Box::new(request) });
    }

    fn request_put(&mut self, pid: Pid, stall: Ms, id: &AttemptId, document: Document, owner: Owner) {
        let until = self.clock.now() + stall + TRY_FOR;
        self.request(pid, stall, Request::Put { attempt: id.clone(), document, owner, until });
    }

    fn tells_later(&mut self, pid: Pid, least: Ms, most: Ms, input: Input) {
        let after = self.dice.skewed(least, most);
        self.clock.after(after, Event::CallHears { pid, input: Box::new(input) });
    }

    /// The claim as it is written; the token that dials dies with it.
    fn claim_of(&mut self, pid: Pid, process: &mut TaskProcess, failed: Option<String>) -> DialClaim {
        let invite_by = self.clock.now() + INVITE_WITHIN;
        process.invite_by = failed.is_none().then_some(invite_by);
        let dial = &process.plan.profile.dial;
        let call = Ms::from(dial.ring_seconds + dial.max_call_seconds) * SECOND;
        DialClaim {
            by: pid,
            task: Ecs::name_of(process.task),
            room: Some(process.room.clone()),
            agent_call: process.agent.clone(),
            invite_by: self.clock.wall_at(invite_by),
            deadline: self.clock.wall_at(invite_by + call + SETTLE_MARGIN),
            failed,
            decision: None,
        }
    }

    /// The clock is looked at once more before the dial leaves; and then it may still stall on its way.
    fn dial(&mut self, pid: Pid, process: &mut TaskProcess, stall: Ms) {
        self.clock.after(0, Event::CallHears { pid, input: Box::new(Input::Leg(LegEvent::Dialing)) });
        let careless = self.breaks(Rule::DialAfterInviteBy);
        let Some(invite_by) = process.invite_by.take() else { return };
        if self.clock.now() + stall >= invite_by && !careless {
            let failure =
                DialFailure::NotSent { cause: NotSent::TooLate, detail: "inviteBy is over".to_owned() };
            return self.tells_later(pid, stall, stall, Input::Leg(LegEvent::DialFailed(failure)));
        }
        if self.strikes(self.weather.fails) {
            let detail = "connection refused".to_owned();
            let failure = DialFailure::NotSent { cause: NotSent::Unreachable, detail };
            return self.tells_later(pid, 10, 3_000, Input::Leg(LegEvent::DialFailed(failure)));
        }
        let on_its_way = if self.strikes(self.weather.stalls) {
            self.dice.skewed(SECOND, 10 * MINUTE)
        } else {
            self.dice.skewed(2, 300)
        };
        let leaves = self.clock.now() + stall + on_its_way;
        process.stalls_until = process.stalls_until.max(leaves);
        let dialed = Dialed {
            attempt: process.attempt.clone(),
            room: process.room.clone(),
            token_expires: if careless { Ms::MAX } else { invite_by },
            ring: Ms::from(process.plan.profile.dial.ring_seconds) * SECOND,
            longest: Ms::from(process.plan.profile.dial.max_call_seconds) * SECOND,
            country: process.plan.profile.country.clone(),
        };
        self.clock.after(stall + on_its_way, Event::DialArrives { pid, dialed: Box::new(dialed) });
    }

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

    fn outcome_of(&self, pid: Pid, id: &AttemptId, ending: Ending) -> Outcome {
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

    /// News arrives at a call, if it still lives and does not stall.
    pub(crate) fn call_hears(&mut self, pid: Pid, input: Input) {
        let Some(process) = self.tasks.get_mut(&pid) else { return };
        let stalls = process.stalls_until.saturating_sub(self.clock.now());
        if stalls > 0 {
            return self.clock.after(stalls, Event::CallHears { pid, input: Box::new(input) });
        }
        let Some(mut process) = self.tasks.remove(&pid) else { return };
        match &input {
            Input::Room(RoomEvent::Joined { .. }) => process.joined = true,
            Input::Agent(AgentEvent::Created { agent_call_id, .. }) => {
                process.agent = Some(agent_call_id.clone());
            }
            Input::OutcomeStored(Ok(())) => self.watch_told_by_task(&process.attempt),
            _ => {}
        }
        process.call.handle(input, self.clock.instant());
        self.carry_on(pid, process);
    }

    /// What a call wanted to be woken for has come, unless it has changed its mind. News that waits goes first.
    pub(crate) fn call_wakes(&mut self, pid: Pid, at: Ms) {
        let Some(process) = self.tasks.get_mut(&pid) else { return };
        if process.wakes_at != Some(at) {
            return;
        }
        let stalls = process.stalls_until.saturating_sub(self.clock.now());
        if stalls > 0 {
            return self.clock.after(stalls + 1, Event::CallWakes { pid, at });
        }
        process.wakes_at = None;
        let Some(mut process) = self.tasks.remove(&pid) else { return };
        process.call.handle(Input::Tick, self.clock.instant());
        self.carry_on(pid, process);
    }

    /// SIGTERM, and SIGKILL when its time is over.
    pub(crate) fn drains(&mut self, pid: Pid) {
        if self.tasks.contains_key(&pid) {
            self.clock.after(STOP_TIMEOUT, Event::Dies(pid));
            self.call_hears(pid, Input::Drain);
        }
    }

    /// The process is gone: its place in the room, its sockets, its task.
    pub(crate) fn task_ends(&mut self, pid: Pid, why: &'static str) {
        let Some(process) = self.tasks.remove(&pid) else { return };
        self.note(&process.attempt, || format!("task {pid} ends: {why}"));
        self.bridge_leaves(&process.room, pid);
        if let Some(id) = process.agent
            && self.vendor.calls.get(&id).is_some_and(|call| call.joined)
        {
            // Mostly the vendor sees the socket close; now and then it does not.
            let unnoticed = self.strikes(300);
            let after = if unnoticed { VENDORS_LONGEST_CALL } else { self.dice.skewed(SECOND, 30 * SECOND) };
            if let Some(call) = self.vendor.calls.get_mut(&id) {
                call.abandoned = Some(self.clock.now());
            }
            self.clock.after(after, Event::AgentCallEnds { id, only_unjoined: false });
        }
        self.stop_task(process.task, why);
    }
}

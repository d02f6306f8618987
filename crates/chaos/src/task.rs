//! The hands of `calls::call`: a task that carries one attempt, and may die, stall or be told to stop at any step.

mod dial;
mod requests;

use std::time::Duration;

use calls::call::{
    AgentEvent, AudioCommand, Call, Effect, Input, Limits, Room, RoomEvent, SoundEvent, WhyAgentEnded,
};
use calls::hours::Hours;
use calls::ids::{AttemptId, Nonce, room_name};
use calls::plan::CallPlan;

use crate::clock::{HOUR, MINUTE, Ms, SECOND};
use crate::ecs::TaskNumber;
use crate::event::Event;
use crate::store::{Document, Job, Owner, TRY_FOR};
use crate::world::{Pid, World};
pub use requests::Request;

/// How long one wish to delete the room is tried.
const DELETE_FOR: Ms = 17 * SECOND;
/// From SIGTERM to SIGKILL.
const STOP_TIMEOUT: Ms = 120 * SECOND;
/// After SIGTERM a call may go on for so long.
const DRAIN_FOR: Duration = Duration::from_secs(105);
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
    /// It joins its room anew when that is lost: from the answer until it deletes it.
    pub keeps_its_room: bool,
    /// What happens in its room does not reach it until then.
    pub deaf_until: Ms,
    /// When the last news of its room arrives: they come over one connection, in their order.
    pub last_news: Ms,
    wrote_outcome: bool,
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
            keeps_its_room: false,
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
            Effect::Audio(AudioCommand::Open) => process.keeps_its_room = true,
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
                process.keeps_its_room = false;
                let until = self.clock.now() + stall + DELETE_FOR;
                self.request(pid, stall, Request::DeleteRoom { room: process.room.clone(), until });
            }
            Effect::WriteOutcome(ending) => {
                process.wrote_outcome = true;
                let outcome = self.outcome_of(pid, &attempt, ending);
                self.request_put(pid, stall, &attempt, Document::Outcome(outcome), process.outcome_owner);
            }
            // Nobody types here, and no agent has a wish but to go.
            Effect::TellTyped(_)
            | Effect::PressKey(_)
            | Effect::Transfer { .. }
            | Effect::AnswerTool { .. } => {}
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

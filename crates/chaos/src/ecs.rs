//! ECS: starts tasks late, twice or never, forgets client tokens, and tells of stopped tasks when it likes to.

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

use calls::ids::AttemptId;

use crate::clock::{HOUR, MINUTE, Ms, SECOND};
use crate::event::Event;
use crate::queue::{Message, QueueName, Sending};
use crate::weather::Service;
use crate::world::{Pid, World};

/// Which task.
pub type TaskNumber = u64;

/// How long a task tries to read its job.
const JOB_CAP: Ms = MINUTE;
/// A stopped task is known for so long (Amazon ECS API reference, DescribeTasks).
const FORGETS_AFTER: Ms = HOUR;

/// A task that has not stopped.
#[derive(Clone, Debug)]
pub struct Task {
    /// What it is to carry: its command, and `startedBy`.
    pub attempt: AttemptId,
    /// Its process, once its job is read.
    pub process: Option<Pid>,
}

/// The cluster.
#[derive(Debug, Default)]
pub struct Ecs {
    tasks: BTreeMap<TaskNumber, Task>,
    /// Client token → task, and until when that is known.
    tokens: HashMap<AttemptId, (TaskNumber, Ms)>,
    /// When, and why.
    stopped: HashMap<TaskNumber, (Ms, &'static str)>,
    asked: TaskNumber,
}

impl Ecs {
    /// No task is left.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// The tasks that have not stopped.
    pub fn tasks(&self) -> impl Iterator<Item = (&TaskNumber, &Task)> {
        self.tasks.iter()
    }

    /// Is it really over with the task of this name?
    pub fn has_stopped(&self, name: &str) -> bool {
        self.stop_of(name).is_some()
    }

    /// Why it stopped, if ECS had heard of that by `heard`, and has not forgotten it `now`.
    pub fn says_stopped(&self, name: &str, heard: Ms, now: Ms) -> Option<&'static str> {
        let (at, why) = self.stop_of(name)?;
        (at <= heard && now < at + FORGETS_AFTER).then_some(why)
    }

    fn stop_of(&self, name: &str) -> Option<(Ms, &'static str)> {
        let number = name.strip_prefix("task-")?.parse().ok()?;
        self.stopped.get(&number).copied()
    }

    /// The task's name.
    pub fn name_of(task: TaskNumber) -> String {
        format!("task-{task}")
    }
}

impl World {
    /// RunTask: what who asked for it hears.
    pub(crate) fn run_task(&mut self, attempt: &AttemptId) -> Result<String, String> {
        let now = self.clock.now();
        if self.weather.is_away(Service::Ecs, now) || self.strikes(self.weather.fails * 3) {
            let why = *self.dice.one_of(&["ThrottlingException", "RESOURCE:ENI", "Capacity is unavailable"]);
            return Err(format!("RunTask failed: {why}"));
        }
        let known = self.ecs.tokens.get(attempt).filter(|(_, until)| now < *until).map(|(task, _)| *task);
        let task = match known {
            Some(task) => task,
            None => self.start_task(attempt),
        };
        if known.is_none() && self.strikes(self.weather.second_task) {
            self.start_task(attempt);
        }
        if self.strikes(self.weather.reply_lost * 2) {
            return Err("RunTask failed: no answer".to_owned());
        }
        Ok(Ecs::name_of(task))
    }

    fn start_task(&mut self, attempt: &AttemptId) -> TaskNumber {
        self.ecs.asked += 1;
        let task = self.ecs.asked;
        let forgets =
            self.clock.now() + *self.dice.one_of(&[SECOND, MINUTE, 10 * MINUTE, 24 * HOUR, 24 * HOUR]);
        self.ecs.tokens.insert(attempt.clone(), (task, forgets));
        self.ecs.tasks.insert(task, Task { attempt: attempt.clone(), process: None });
        self.note(attempt, || format!("ecs: task-{task} is provisioned"));
        if self.strikes(self.weather.never_starts) {
            let after = self.dice.skewed(20 * SECOND, 15 * MINUTE);
            let why =
                *self.dice.one_of(&["CannotPullContainerError", "TaskFailedToStart", "SpotInterruption"]);
            self.clock.after(after, Event::TaskStopped { task, why });
            return task;
        }
        let slow = self.strikes(self.weather.stalls * 4);
        let after = self.dice.skewed(5 * SECOND, if slow { 40 * MINUTE } else { 60 * SECOND });
        self.clock.after(after, Event::TaskStarts(task));
        task
    }

    /// Its container runs.
    pub(crate) fn task_starts(&mut self, task: TaskNumber) {
        let until = self.clock.now() + JOB_CAP;
        self.task_reads(task, until);
    }

    /// It reads what it is to dial, as long as the store needs to answer.
    pub(crate) fn task_reads(&mut self, task: TaskNumber, until: Ms) {
        let Some(attempt) = self.ecs.tasks.get(&task).map(|task| task.attempt.clone()) else { return };
        if !self.store_reads() {
            if self.clock.now() < until {
                self.clock.after(SECOND, Event::TaskReads { task, until });
            } else {
                self.stop_task(task, "its job could not be read");
            }
            return;
        }
        let job =
            self.store.attempt(&attempt).and_then(|folder| folder.job.as_ref()).map(|job| job.is.clone());
        let Some(job) = job else { return self.stop_task(task, "there is no job") };
        let pid = self.task_begins(task, &attempt, &job);
        if let Some(task) = self.ecs.tasks.get_mut(&task) {
            task.process = Some(pid);
        }
    }

    /// A task is over; ECS knows.
    pub(crate) fn stop_task(&mut self, task: TaskNumber, why: &'static str) {
        self.tell_of_a_task(task, why);
    }

    /// A task is over. ECS's event of it may be lost, late or doubled.
    pub(crate) fn tell_of_a_task(&mut self, task: TaskNumber, why: &'static str) {
        let Some(Task { attempt, .. }) = self.ecs.tasks.remove(&task) else { return };
        self.ecs.stopped.insert(task, (self.clock.now(), why));
        self.note(&attempt, || format!("ecs: task-{task} stopped: {why}"));
        if self.strikes(self.weather.event_lost) {
            return;
        }
        let copies = if self.strikes(self.weather.doubles) { 2 } else { 1 };
        for _ in 0..copies {
            let late = self.strikes(self.weather.doubles);
            let delay = self.dice.skewed(SECOND, if late { 3 * HOUR } else { 20 * SECOND });
            let (name, started_by) = (Ecs::name_of(task), attempt.to_string());
            let message = Message::new(Rc::new(why.as_bytes().to_vec()), Some(name), Some(started_by));
            if self.sending() != Sending::Failed {
                self.enqueue(QueueName::Watcher, message, delay);
            }
        }
    }
}

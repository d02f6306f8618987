//! The hands of `calls::routing`: a message on its way, in a process that may die at any step.

use calls::fact::Fact;
use calls::ids::AttemptId;
use calls::outcome::Ending;
use calls::routing::{Claim, DeadLetter, Effect, Folder, Input, Routing, Verdict, try_again_after};
use calls::settle::{Decision, Follow};

use jiff::Timestamp;

use crate::ask::{Ask, Wish as _};
use crate::broken::Rule;
use crate::clock::{MINUTE, Ms};
use crate::event::Event;
use crate::letters::Letter;
use crate::paces::Limits;
use crate::places::For;
use crate::queue::{Message, QueueName, Sending, as_delivery};
use crate::store::{DialClaim, Document, Job, Outcome, Put};
use crate::weather::Service;
use crate::world::{Pid, World};

/// A router with one message in hand.
#[derive(Debug)]
pub struct RouterProcess {
    routing: Routing,
    message: Message,
    place: u64,
    /// `message.json` was there when the folder was looked at.
    saw_message: bool,
    is_duplicate: bool,
    /// Acknowledged before its time, by a broken rule.
    acknowledged: bool,
}

impl RouterProcess {
    /// What its message is about, as far as it knows.
    pub fn attempt(&self) -> AttemptId {
        self.routing.attempt()
    }
}

impl World {
    /// A router receives a message.
    pub fn route(&mut self, place: u64, message: &Message) {
        let pid = self.new_pid();
        let routing = Routing::new(as_delivery(self, message), self.policy, self.clock.wall());
        let process = RouterProcess {
            routing,
            message: message.clone(),
            place,
            saw_message: false,
            is_duplicate: false,
            acknowledged: false,
        };
        let id = process.attempt();
        self.note(&id, || format!("router {pid} receives {} for the {}. time", message.id, message.receives));
        let timeout = self.lambda_timeout();
        self.clock.after(timeout, Event::Dies(pid));
        self.walk(pid, process);
    }

    /// Does what routing wants until it waits for an answer, dies, or comes to its verdict.
    fn walk(&mut self, pid: Pid, mut process: RouterProcess) {
        while let Some(effect) = process.routing.poll_effect() {
            match effect {
                Effect::Record(fact) => {
                    process.is_duplicate |= fact == Fact::DuplicateMessage;
                    self.note(&process.attempt(), || format!("router {pid}: {fact:?}"));
                }
                Effect::Finish(verdict) => return self.verdict(pid, &process, &verdict),
                effect => {
                    if self.strikes(self.weather.dies) {
                        return self
                            .note(&process.attempt(), || format!("router {pid} dies before {effect:?}"));
                    }
                    self.send_off(pid, &mut process, effect);
                    if self.strikes(self.weather.dies) {
                        return self
                            .note(&process.attempt(), || format!("router {pid} dies, its request is out"));
                    }
                }
            }
        }
        self.routers.insert(pid, process);
    }

    fn send_off(&mut self, pid: Pid, process: &mut RouterProcess, effect: Effect) {
        if matches!(effect, Effect::SendDeadLetter(_)) && self.breaks(Rule::AckBeforeDeadLetter) {
            self.acknowledge(QueueName::Calls, process.place);
            process.acknowledged = true;
        }
        assert!(!self.breaks(Rule::PanicOnTheWay), "a rule is broken on purpose: {effect:?}");
        self.sets_out(pid, effect);
    }

    /// A router's request arrives. It was sent, so it is carried out, whether its sender still lives or not.
    pub fn router_asks(&mut self, pid: Pid, ask: Ask<Effect>) {
        let input = match &ask.effect {
            Effect::LoadFolder(key) if self.store_reads() => {
                let folder = self.store.look(key);
                Some(Input::Folder(Ok(self.shown_to(pid, folder))))
            }
            Effect::LoadFolder(_) => None,
            Effect::LoadProfiles { fresh } => Some(Input::Profiles(self.read_profiles(*fresh))),
            Effect::Launch(attempt) => Some(Input::Launched(self.run_task(attempt))),
            Effect::SendDeadLetter(letter) => Some(self.bury(pid, letter)),
            Effect::PutBack { attempt, nth, delay } => {
                self.witness.count("put back");
                Some(Input::PutBack(self.send_again(attempt, Some(*nth), *delay)))
            }
            Effect::TakePlace { attempt, country, at_once, per_second } => {
                let limits = Limits { country: country.clone(), at_once: *at_once, per_second: *per_second };
                return self.waits_for_its_turn(pid, attempt, limits);
            }
            Effect::DeleteOpen(attempt) => return self.closes(For::Router(pid), attempt),
            Effect::TakeDial(..) if self.breaks(Rule::GiveUpWithoutClaim) => {
                Some(Input::Claimed(Claim::Ours))
            }
            effect => self.put_for_router(pid, effect, ask.owner),
        };
        self.answers(pid, ask, input);
    }

    fn shown_to(&mut self, pid: Pid, mut folder: Folder) -> Folder {
        if self.breaks(Rule::RedialUnknown) {
            // Everything that ended is taken for something that may be tried again.
            for seen in folder.attempts.values_mut() {
                seen.outcome = seen.outcome.map(|_| true);
            }
        }
        if let Some(process) = self.routers.get_mut(&pid) {
            process.saw_message = folder.message.is_some();
        }
        if self.breaks(Rule::RefuseAfterClaim) { Folder::default() } else { folder }
    }

    /// What is put, as its document; `None`: the store did not say what came of it.
    fn put_for_router(&mut self, pid: Pid, effect: &Effect, owner: u64) -> Option<Input> {
        let at = self.clock.wall();
        let (id, document) = match effect {
            Effect::PutOpen(id) => (id.clone(), Document::Open),
            Effect::PutMessage(key, message) => {
                (AttemptId::new(key.clone(), 1), Document::Message(message.clone()))
            }
            Effect::PutJob { attempt, plan, deadline } => {
                (attempt.clone(), Document::Job(Job { plan: plan.clone(), made_at: at, deadline: *deadline }))
            }
            Effect::PutLaunched { attempt, task } => (attempt.clone(), Document::Launched(task.clone())),
            Effect::TakeDial(id, ending) => {
                let decision = Decision { outcome: says(id, ending, at), next: Follow::DeadLetter };
                let claim = DialClaim::decided(pid, format!("router {pid}"), at, decision);
                (id.clone(), Document::Dial(Box::new(claim)))
            }
            Effect::PutOutcome(id, ending) => {
                (id.clone(), Document::Outcome(Outcome { by: pid, says: Box::new(says(id, ending, at)) }))
            }
            Effect::NoteBack { attempt, nth, message_id } => {
                (attempt.clone(), Document::Back(*nth, message_id.clone()))
            }
            Effect::PutNext(id) => (id.clone(), Document::Next(Follow::DeadLetter)),
            other => return Some(other.not_done()),
        };
        let put = self.put(&id, &document, owner);
        Some(match (effect, put) {
            (_, Put::Trouble) => return None,
            (
                Effect::PutOpen(_)
                | Effect::PutLaunched { .. }
                | Effect::PutNext(_)
                | Effect::NoteBack { .. },
                _,
            ) => Input::Stored(Ok(())),
            (_, Put::Ours) => Input::Claimed(Claim::Ours),
            (_, Put::Theirs) => Input::Claimed(Claim::Theirs),
        })
    }

    fn bury(&mut self, pid: Pid, letter: &DeadLetter) -> Input {
        let sending = self.sending();
        if sending != Sending::Failed {
            let (id, code, original) = (&letter.attempt, letter.refusal.code, &letter.original_message_id);
            let saw_message = self.routers.get(&pid).is_some_and(|process| process.saw_message);
            self.watch_letter(id, code, original, saw_message);
            self.letters.add(Letter::new(id, original, self.upstream.body_of(original)));
        }
        match sending {
            Sending::Done => Input::LetterSent(Ok(())),
            Sending::DoneUnheard | Sending::Failed => Input::LetterSent(Err("the queue failed".to_owned())),
        }
    }

    /// A router hears an answer, if it still lives.
    pub fn router_hears(&mut self, pid: Pid, input: Input) {
        let Some(mut process) = self.routers.remove(&pid) else { return };
        process.routing.handle(input);
        self.walk(pid, process);
    }

    fn verdict(&mut self, pid: Pid, process: &RouterProcess, verdict: &Verdict) {
        self.note(&process.attempt(), || format!("router {pid}: {verdict:?} of {}", process.message.id));
        match verdict {
            Verdict::Done | Verdict::Refused(_) | Verdict::Deferred => {
                if self.strikes(self.weather.dies) {
                    return;
                }
                if process.is_duplicate {
                    self.witness.duplicate(&process.message.id);
                } else {
                    self.witness.acknowledges(&process.message.id, process.attempt());
                }
                if !process.acknowledged {
                    self.acknowledge(QueueName::Calls, process.place);
                }
            }
            Verdict::Retry(_) => {
                let again = try_again_after(process.message.receives);
                let again = Ms::try_from(again.as_millis()).unwrap_or(Ms::MAX);
                self.put_off(QueueName::Calls, process.place, again);
            }
        }
    }

    /// The parameter store's word, or what was read of it a moment ago.
    fn read_profiles(&mut self, fresh: bool) -> Result<std::sync::Arc<calls::profile::Profiles>, String> {
        let now = self.clock.now();
        let is_away = self.weather.is_away(Service::Profiles, now) || self.strikes(self.weather.fails);
        if is_away && (fresh || self.dice.in_thousand(500)) {
            return Err("the parameter store does not answer".to_owned());
        }
        let age = if fresh { 0 } else { self.dice.between(0, MINUTE) };
        Ok(self.countries.profiles(now.saturating_sub(age)))
    }
}

fn says(id: &AttemptId, ending: &Ending, at: Timestamp) -> calls::outcome::Outcome {
    calls::outcome::Outcome::new(ending.clone(), id.number, at, at, "chaos")
}

//! The hands of `calls::settle`: the watcher at one event, the sweep at one open attempt.

use std::rc::Rc;
use std::time::Duration;

use calls::ids::AttemptId;
use calls::outcome::{Outcome as Says, OutcomeKind};
use calls::routing::Claim;
use calls::settle::{Cause, Effect, Folder, Follow, Input, Settled, Settling};

use crate::ask::{Ask, Wish as _};
use crate::broken::Rule;
use crate::clock::{MINUTE, Ms};
use crate::event::Event;
use crate::letters::Letter;
use crate::places::For;
use crate::queue::{Message, QueueName, Sending};
use crate::store::{DialClaim, Document, Outcome, Put};
use crate::weather::Service;
use crate::witness::TELLS;
use crate::world::{Pid, World};

/// An event that could not be carried through comes again after this.
const AGAIN_AFTER: Ms = MINUTE;

/// A settler with one attempt in hand.
#[derive(Debug)]
pub struct SettlerProcess {
    settling: Settling,
    /// The event's place in the watcher's queue; none for the sweep.
    event: Option<u64>,
    /// The folder as the sweep saw it, for the first look.
    seen: Option<Folder>,
}

impl World {
    /// The watcher hears that a task stopped.
    pub(crate) fn hear_of_a_task(&mut self, place: u64, message: &Message) {
        let started_by = message.attempt.as_deref().and_then(|id| id.parse().ok());
        let (Some(id), Some(task)) = (started_by, message.call_key.clone()) else {
            return self.acknowledge(QueueName::Watcher, place);
        };
        let detail = String::from_utf8_lossy(&message.body).into_owned();
        self.settle(id, Cause::Stopped { task, detail }, Some(place), None);
    }

    /// A settler takes an attempt up. The sweep has looked at its folder already.
    pub(crate) fn settle(&mut self, id: AttemptId, cause: Cause, event: Option<u64>, seen: Option<Folder>) {
        let pid = self.new_pid();
        if cause != Cause::Swept {
            self.note(&id, || format!("settler {pid}: {cause:?}"));
        }
        let settling = Settling::new(id, cause, self.settling, self.clock.wall());
        let timeout = self.lambda_timeout();
        self.clock.after(timeout, Event::Dies(pid));
        self.go_on(pid, SettlerProcess { settling, event, seen });
    }

    fn go_on(&mut self, pid: Pid, mut process: SettlerProcess) {
        let id = process.settling.attempt().clone();
        while let Some(effect) = process.settling.poll_effect() {
            if let (Effect::LoadFolder(_), Some(seen)) = (&effect, process.seen.take()) {
                process.settling.handle(Input::Folder(Ok(seen)));
                continue;
            }
            match effect {
                Effect::Record(fact) => self.note(&id, || format!("settler {pid}: {fact:?}")),
                Effect::Finish(settled) => return self.settled(pid, &id, process.event, &settled),
                effect => {
                    if self.strikes(self.weather.dies) {
                        return self.note(&id, || format!("settler {pid} dies before {effect:?}"));
                    }
                    self.sets_out(pid, effect);
                    if self.strikes(self.weather.dies) {
                        return self.note(&id, || format!("settler {pid} dies, its request is out"));
                    }
                }
            }
        }
        self.settlers.insert(pid, process);
    }

    fn settled(&mut self, pid: Pid, id: &AttemptId, event: Option<u64>, settled: &Settled) {
        if *settled != Settled::NotYet {
            self.note(id, || format!("settler {pid}: {settled:?}"));
        }
        let Some(place) = event else { return };
        match settled {
            Settled::Retry(_) => self.put_off(QueueName::Watcher, place, AGAIN_AFTER),
            Settled::Again(wait) => {
                let wait = Ms::try_from(wait.as_millis()).unwrap_or(AGAIN_AFTER);
                self.put_off(QueueName::Watcher, place, wait);
            }
            Settled::Done(_) | Settled::NotYet | Settled::Stuck(_) => {
                self.acknowledge(QueueName::Watcher, place)
            }
        }
    }

    /// A settler's request arrives, and is carried out whether its sender still lives or not.
    pub(crate) fn settler_asks(&mut self, pid: Pid, ask: Ask<Effect>) {
        let input = match &ask.effect {
            Effect::LoadFolder(key) if self.store_reads() => {
                let clock = &self.clock;
                Some(Input::Folder(Ok(self.store.look_to_settle(key, |at| clock.wall_at(at)))))
            }
            Effect::LoadFolder(_) => None,
            Effect::TakeDial(..) if self.breaks(Rule::GiveUpWithoutClaim) => {
                Some(Input::Claimed(Claim::Ours))
            }
            Effect::TakeDial(..) | Effect::PutOutcome(..) | Effect::PutNext(..) => {
                self.put_for_settler(pid, &ask.effect, ask.owner)
            }
            Effect::DeleteRoom(id, room) => Some(Input::Done(self.close_line(id, room))),
            Effect::EndAgent(id, agent) => Some(Input::Done(self.end_agent(id, agent))),
            Effect::Tell(id, outcome) => {
                self.watch_settler_acts(id, TELLS);
                self.watch_told(id, outcome.outcome.as_str());
                Some(Input::Done(Ok(())))
            }
            Effect::SendAttempt { attempt, delay } => {
                Some(Input::Done(self.send_again(attempt, None, *delay)))
            }
            Effect::SendDeadLetter { attempt, refusal } => {
                Some(Input::Done(self.bury_call(attempt, refusal.code)))
            }
            Effect::DeleteOpen(id) => return self.closes(For::Settler(pid), id),
            Effect::DeleteForsaken(id) => {
                self.store.open.remove(id);
                Some(Input::Done(Ok(())))
            }
            Effect::Record(_) | Effect::Finish(_) => return,
        };
        self.answers(pid, ask, input);
    }

    /// Its answer arrives, if it still lives.
    pub(crate) fn settler_hears(&mut self, pid: Pid, input: Input) {
        let Some(mut process) = self.settlers.remove(&pid) else { return };
        process.settling.handle(input);
        self.go_on(pid, process);
    }

    fn put_for_settler(&mut self, pid: Pid, effect: &Effect, owner: u64) -> Option<Input> {
        let at = self.clock.wall();
        let (id, document) = match effect {
            Effect::TakeDial(id, decision) => {
                let claim = DialClaim::decided(pid, format!("settler {pid}"), at, (**decision).clone());
                (id, Document::Dial(Box::new(claim)))
            }
            Effect::PutOutcome(id, outcome) => {
                let says = Box::new(self.bent(id, outcome));
                (id, Document::Outcome(Outcome { by: pid, says }))
            }
            Effect::PutNext(id, next) => (id, Document::Next(self.bent_next(id, *next))),
            other => return Some(other.not_done()),
        };
        Some(match (effect, self.put(id, &document, owner)) {
            (_, Put::Trouble) => return None,
            (Effect::PutNext(..), _) => Input::Done(Ok(())),
            (_, Put::Ours) => Input::Claimed(Claim::Ours),
            (_, Put::Theirs) => Input::Claimed(Claim::Theirs),
        })
    }

    /// The outcome as it is written: as it was decided, unless a rule is broken.
    fn bent(&mut self, id: &AttemptId, outcome: &Says) -> Says {
        let is_unknown = outcome.outcome == OutcomeKind::Unknown;
        if is_unknown && self.breaks(Rule::ActBeforeUnknownIsWritten) {
            self.watch_settler_acts(id, TELLS);
            self.watch_told(id, outcome.outcome.as_str());
        }
        let retryable = outcome.retryable || (is_unknown && self.breaks(Rule::RedialUnknown));
        Says { retryable, ..outcome.clone() }
    }

    /// What follows, likewise.
    fn bent_next(&mut self, id: &AttemptId, next: Follow) -> Follow {
        let outcome = self.store.attempt(id).and_then(|folder| folder.outcome());
        let is_unknown = outcome.is_some_and(|outcome| outcome.says.outcome == OutcomeKind::Unknown);
        if !(is_unknown && self.breaks(Rule::RedialUnknown)) {
            return next;
        }
        let again = AttemptId::new(id.key.clone(), id.number + 1);
        drop(self.send_again(&again, None, Duration::from_secs(30)));
        Follow::Attempt(again.number)
    }

    fn close_line(&mut self, id: &AttemptId, room: &str) -> Result<(), String> {
        self.watch_settler_acts(id, "deletes the room");
        if self.weather.is_away(Service::Livekit, self.clock.now()) || self.strikes(self.weather.fails) {
            return Err("LiveKit does not answer".to_owned());
        }
        self.delete_room(room);
        Ok(())
    }

    fn end_agent(&mut self, id: &AttemptId, agent: &str) -> Result<(), String> {
        self.watch_settler_acts(id, "ends the agent");
        if self.weather.is_away(Service::Vendor, self.clock.now()) || self.strikes(self.weather.fails) {
            return Err("the vendor does not answer".to_owned());
        }
        self.vendor.ends(agent, false);
        Ok(())
    }

    /// The call's message once more, for an attempt: its body, or only its key. Of a put-back it says which it is.
    pub(crate) fn send_again(
        &mut self,
        id: &AttemptId,
        put_back: Option<u32>,
        delay: Duration,
    ) -> Result<(), String> {
        let sending = self.sending();
        let stored = self.store.calls.get(&id.key).and_then(|call| call.message.as_ref());
        let body = stored.map(|message| message.is.body.clone());
        if sending != Sending::Failed {
            let key = id.key.as_str().to_owned();
            let alone = self.dice.in_thousand(200);
            let body = body.filter(|_| !alone).unwrap_or_else(|| key.clone().into_bytes());
            let mut message = Message::new(Rc::new(body), Some(key), Some(id.number.to_string()));
            message.put_back = put_back;
            self.watch_sent_again(id);
            let delay = Ms::try_from(delay.as_millis()).unwrap_or(Ms::MAX);
            let message = self.send_to_calls(message, delay);
            self.note(id, || format!("sent again as {message}"));
        }
        if sending == Sending::Done { Ok(()) } else { Err("the queue failed".to_owned()) }
    }

    fn bury_call(&mut self, id: &AttemptId, code: calls::trigger::RefusalCode) -> Result<(), String> {
        let sending = self.sending();
        if sending != Sending::Failed {
            let stored = self.store.calls.get(&id.key).and_then(|call| call.message.as_ref());
            let stored =
                stored.map(|message| (message.is.message_id.clone(), Rc::new(message.is.body.clone())));
            let Some((original, body)) = stored else { return Err("there is no message.json".to_owned()) };
            self.watch_letter(id, code, &original, false);
            self.letters.add(Letter::new(id, &original, Some(body)));
        }
        if sending == Sending::Done { Ok(()) } else { Err("the queue failed".to_owned()) }
    }
}

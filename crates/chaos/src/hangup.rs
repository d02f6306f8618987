//! A person who ends one call now (`ocg hangup`): before its dial claim, or while it waits for its turn, by taking that claim, after it by taking the
//! callee out of the room, after its end by forbidding what would follow. The person may give up at any step.

use calls::ids::{AttemptId, CallKey};
use calls::outcome::{Ending, Outcome as Says, OutcomeKind, Reason};
use calls::settle::{Decision, Follow};

use crate::broken::Rule;
use crate::clock::{MINUTE, Ms, SECOND};
use crate::event::Event;
use crate::places::For;
use crate::store::{AttemptFolder, DialClaim, Document, Outcome, Owner, PAUSE, Put, TRY_FOR};
use crate::weather::Service;
use crate::world::{Pid, World};

/// In a thousand: how often somebody wants a call to end that has just come, been put back, begun or ended an attempt.
const WANTED: u32 = 25;
/// Within one of these from then on.
const WANTED_WITHIN: [Ms; 4] = [2 * SECOND, 20 * SECOND, 2 * MINUTE, 15 * MINUTE];
/// A task that is alive writes the outcome within this after its callee was taken out of the room.
const TASK_ENDS_WITHIN: Ms = 15 * SECOND;
/// After that the room is deleted, for this long at most.
const ROOM_ENDS_WITHIN: Ms = 20 * SECOND;
const GLANCE: Ms = 250;

/// A hang-up on its way.
#[derive(Debug)]
pub struct Hangup {
    key: CallKey,
    step: Step,
    /// Drawn for the claim of this step.
    owner: Owner,
    /// Until when this step is tried.
    until: Ms,
}

/// What is done next.
#[derive(Clone, Debug)]
enum Step {
    /// Which attempt is the last, and where does it stand?
    Look,
    /// Take its dial claim.
    Forbid(Found),
    /// Mark the attempt that would follow, so that what is left half done is found.
    MarkFollowing(AttemptId),
    /// Take the dial claim of one that has not begun.
    ForbidUnbegun(AttemptId),
    /// Carry out what stands in the claim.
    PutOutcome(AttemptId),
    PutNext(AttemptId),
    Close(AttemptId),
    /// Take the callee out of the room, and wait for the task's word.
    TakeOut {
        id: AttemptId,
        room: String,
        is_out: bool,
    },
    /// The task does not say a word.
    DeleteRoom(String),
}

/// The last attempt, as it was found.
#[derive(Clone, Debug)]
struct Found {
    id: AttemptId,
    outcome: Option<Box<Says>>,
    next: Option<Follow>,
}

/// What a step comes to.
enum Then {
    /// To the next one, at once.
    Goes(Step),
    /// To the next one, after a glance.
    Glances(Step),
    /// The store is asked for more than one thing.
    Closes(AttemptId),
    /// Not done: once more.
    Again,
    /// It has said that it is done.
    Done,
    /// It has said that it is not.
    NotDone,
}

impl World {
    /// An attempt begins or ends: now and then somebody wants its call to end, at some time from then on.
    pub(crate) fn somebody_may_hang_up(&mut self, key: &CallKey) {
        if self.dice.in_thousand(WANTED) {
            let within = *self.dice.one_of(&WANTED_WITHIN);
            let after = self.dice.between(0, within);
            self.clock.after(after, Event::HangUp(key.clone()));
        }
    }

    /// `ocg hangup` is entered.
    pub(crate) fn hang_up(&mut self, key: CallKey) {
        let pid = self.new_pid();
        self.witness.count("hang-ups");
        self.note(&AttemptId::new(key.clone(), 1), || format!("hang-up {pid} is asked for"));
        let hangup = Hangup { key, step: Step::Look, owner: 0, until: 0 };
        self.hang_up_further(pid, hangup, Step::Look, 0);
    }

    fn hang_up_further(&mut self, pid: Pid, hangup: Hangup, step: Step, after: Ms) {
        let takes = after + self.dice.skewed(2, 400);
        let lasts = match step {
            Step::TakeOut { .. } => TASK_ENDS_WITHIN,
            Step::DeleteRoom(_) => ROOM_ENDS_WITHIN,
            _ => TRY_FOR,
        };
        let waits_on = matches!((&hangup.step, &step), (Step::TakeOut { .. }, Step::TakeOut { .. }));
        let until = if waits_on { hangup.until } else { self.clock.now() + takes + lasts };
        let owner = self.dice.bits();
        self.hangups.insert(pid, Hangup { key: hangup.key, step, owner, until });
        self.clock.after(takes, Event::HangupGoesOn(pid));
    }

    /// A step of it is done.
    pub(crate) fn hangup_goes_on(&mut self, pid: Pid) {
        let Some(hangup) = self.hangups.remove(&pid) else { return };
        let then = self.hangup_step(pid, &hangup);
        if self.strikes(self.weather.dies) {
            return self.note(&AttemptId::new(hangup.key, 1), || format!("hang-up {pid} is broken off"));
        }
        match then {
            Then::Goes(step) => self.hang_up_further(pid, hangup, step, 0),
            Then::Glances(step) => self.hang_up_further(pid, hangup, step, GLANCE),
            Then::Again if self.clock.now() < hangup.until => {
                self.hangups.insert(pid, hangup);
                self.clock.after(PAUSE, Event::HangupGoesOn(pid));
            }
            Then::Closes(id) => {
                self.hangups.insert(pid, hangup);
                self.closes(For::Hangup(pid), &id);
            }
            Then::Done => self.witness.count("hang-ups done"),
            Then::Again | Then::NotDone => self.hangup_is_not_done(hangup.key),
        }
    }

    /// Who is told so may ask again.
    fn hangup_is_not_done(&mut self, key: CallKey) {
        if self.dice.in_thousand(300) {
            let after = self.dice.between(SECOND, MINUTE);
            self.clock.after(after, Event::HangUp(key));
        }
    }

    /// Its attempt is closed, or that did not work.
    pub(crate) fn hangup_has_closed(&mut self, pid: Pid, is_closed: bool) {
        let Some(hangup) = self.hangups.remove(&pid) else { return };
        match hangup.step {
            Step::Close(id) if is_closed => {
                self.witness.nobody_rings(&id);
                self.witness.count("hang-ups done");
            }
            _ => self.hangup_is_not_done(hangup.key),
        }
    }

    fn hangup_step(&mut self, pid: Pid, hangup: &Hangup) -> Then {
        let owner = hangup.owner;
        match hangup.step.clone() {
            Step::Look if !self.store_reads() => Then::Again,
            Step::Look => match self.last_of(&hangup.key) {
                Some(found) => Then::Goes(Step::Forbid(found)),
                // No router has claimed an attempt yet: the call waits, or its message is lost.
                None => Then::Goes(Step::ForbidUnbegun(AttemptId::new(hangup.key.clone(), 1))),
            },
            Step::Forbid(found) => match self.forbid(pid, &found.id, owner) {
                Put::Trouble => Then::Again,
                Put::Ours => Then::Goes(Step::PutOutcome(found.id)),
                Put::Theirs => self.somebody_has_the_claim(found),
            },
            Step::MarkFollowing(id) => match self.put(&id, &Document::Open, owner) {
                Put::Trouble => Then::Again,
                Put::Ours | Put::Theirs => Then::Goes(Step::ForbidUnbegun(id)),
            },
            Step::ForbidUnbegun(id) => match self.forbid(pid, &id, owner) {
                Put::Trouble => Then::Again,
                Put::Ours => Then::Goes(Step::PutOutcome(id)),
                Put::Theirs if self.is_forbidden(&id) => Then::Goes(Step::PutOutcome(id)),
                Put::Theirs => Then::NotDone,
            },
            Step::PutOutcome(id) => {
                let decided = self.store.attempt(&id).and_then(AttemptFolder::dial);
                let decided = decided.and_then(|claim| claim.decision.clone());
                let says = decided.map_or_else(|| self.never_dialed(&id), |decision| decision.outcome);
                match self.put(
                    &id,
                    &Document::Outcome(Outcome { by: pid, says: Box::new(says.clone()) }),
                    owner,
                ) {
                    Put::Trouble => Then::Again,
                    Put::Ours | Put::Theirs => {
                        self.watch_told(&id, says.outcome.as_str());
                        Then::Goes(Step::PutNext(id))
                    }
                }
            }
            Step::PutNext(id) => match self.put(&id, &Document::Next(Follow::Nothing), owner) {
                Put::Trouble => Then::Again,
                Put::Ours | Put::Theirs => Then::Goes(Step::Close(id)),
            },
            Step::Close(id) => Then::Closes(id),
            Step::TakeOut { id, room, is_out } => self.take_out(hangup, id, room, is_out),
            Step::DeleteRoom(_) if !self.livekit_answers() => Then::Again,
            // Its task may be dead, or stall: what it says then may ask for another attempt, and nobody was promised that
            // there is none.
            Step::DeleteRoom(room) => {
                self.delete_room(&room);
                Then::Done
            }
        }
    }

    fn last_of(&self, key: &CallKey) -> Option<Found> {
        let attempts = self.store.calls.get(key)?.attempts.iter();
        let (number, folder) = attempts.rev().find(|(_, folder)| folder.job.is_some())?;
        Some(Found {
            id: AttemptId::new(key.clone(), *number),
            outcome: folder.outcome().map(|outcome| outcome.says.clone()),
            next: folder.next.as_ref().map(|next| next.is),
        })
    }

    fn forbid(&mut self, pid: Pid, id: &AttemptId, owner: Owner) -> Put {
        if self.breaks(Rule::HangUpWithoutClaim) {
            return Put::Ours;
        }
        let decision = Decision { outcome: self.never_dialed(id), next: Follow::Nothing };
        let claim = DialClaim::decided(pid, "ocg hangup".to_owned(), self.clock.wall(), decision);
        self.put(id, &Document::Dial(Box::new(claim)), owner)
    }

    /// Ended by a person before anything rang; nobody tries again.
    fn never_dialed(&self, id: &AttemptId) -> Says {
        let ending = Ending { reason: Some(Reason::Drained), ..Ending::of(OutcomeKind::Failed) };
        let at = self.clock.wall();
        Says::new(ending, id.number, at, at, "chaos")
    }

    /// Somebody's decision that nothing follows: a hang-up that was not carried out to its end, perhaps.
    fn is_forbidden(&self, id: &AttemptId) -> bool {
        let claim = self.store.attempt(id).and_then(AttemptFolder::dial);
        let decision = claim.and_then(|claim| claim.decision.as_ref());
        decision.is_some_and(|decision| decision.next == Follow::Nothing)
    }

    fn somebody_has_the_claim(&mut self, found: Found) -> Then {
        let Found { id, outcome, next } = found;
        if next.is_none() && self.is_forbidden(&id) {
            return Then::Goes(Step::PutOutcome(id));
        }
        if let Some(outcome) = outcome {
            return what_follows(&id, &outcome, next).unwrap_or(Then::NotDone);
        }
        let claim = self.store.attempt(&id).and_then(AttemptFolder::dial);
        let rings = claim.filter(|claim| claim.failed.is_none() && claim.decision.is_none());
        match rings.and_then(|claim| claim.room.clone()) {
            Some(room) => Then::Goes(Step::TakeOut { id, room, is_out: false }),
            None => Then::NotDone,
        }
    }

    fn take_out(&mut self, hangup: &Hangup, id: AttemptId, room: String, is_out: bool) -> Then {
        // Between the claim and the INVITE there is nobody to take out yet.
        let is_out = is_out || (self.livekit_answers() && self.take_callee_out(&room));
        if self.store_reads()
            && let Some(outcome) = self.store.attempt(&id).and_then(AttemptFolder::outcome)
        {
            // Its dial came to nothing just now, perhaps, and that alone would be tried again.
            if let Some(then) = what_follows(&id, &outcome.says, None) {
                return then;
            }
            self.witness.nobody_rings(&following(&id));
            return Then::Done;
        }
        if self.clock.now() < hangup.until {
            return Then::Glances(Step::TakeOut { id, room, is_out });
        }
        Then::Goes(Step::DeleteRoom(room))
    }

    fn livekit_answers(&mut self) -> bool {
        !self.weather.is_away(Service::Livekit, self.clock.now()) && !self.strikes(self.weather.fails)
    }
}

fn following(id: &AttemptId) -> AttemptId {
    AttemptId::new(id.key.clone(), id.number + 1)
}

/// Nobody is on the phone; another attempt may be on its way, and is forbidden. `None`: none is.
fn what_follows(id: &AttemptId, outcome: &Says, next: Option<Follow>) -> Option<Then> {
    let may_follow = outcome.retryable || outcome.outcome == OutcomeKind::Deferred;
    let follows = match next {
        Some(next) => !next.ends_the_call(),
        None => may_follow,
    };
    follows.then(|| Then::Goes(Step::MarkFollowing(following(id))))
}

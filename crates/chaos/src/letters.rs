//! The dead letters, and the person who looks at them now and then.

use std::rc::Rc;

use calls::ids::AttemptId;

use crate::clock::{HOUR, MINUTE, Ms};
use crate::event::Event;
use crate::queue::{Message, Sending};
use crate::store::AttemptFolder;
use crate::world::World;

/// How long after upstream's last message the operator still sends letters back.
const WORKS_UNTIL: Ms = 6 * HOUR;
/// A letter that came back so often stays.
const MOST_REDRIVES: u32 = 3;

/// A message that was given up.
#[derive(Clone, Debug)]
pub struct Letter {
    body: Rc<Vec<u8>>,
    /// The call, and the attempt that would come next; none on a letter that the queue moved by itself.
    pub attempt: Option<AttemptId>,
    /// The queue's id of the message that was refused.
    pub original: String,
    looked_at: bool,
}

/// All of them.
#[derive(Debug, Default)]
pub struct Letters {
    /// Also those that were sent back since.
    pub all: Vec<Letter>,
    unread_from: usize,
    closed: bool,
}

impl Letter {
    /// A letter of ours.
    pub fn new(attempt: &AttemptId, original: &str, body: Option<Rc<Vec<u8>>>) -> Self {
        Self {
            body: body.unwrap_or_default(),
            attempt: Some(attempt.clone()),
            original: original.to_owned(),
            looked_at: false,
        }
    }
}

impl Letters {
    /// Lays one to the others.
    pub fn add(&mut self, letter: Letter) {
        self.all.push(letter);
    }

    /// The operator has seen them all, or has gone home.
    pub fn are_looked_through(&self) -> bool {
        self.closed || self.unread_from >= self.all.len()
    }
}

impl World {
    /// The queue's own limit: no reason, and only the attributes that were there before.
    pub(crate) fn moved_by_the_queue(&mut self, message: Message) {
        self.letters.add(Letter {
            body: message.body,
            attempt: None,
            original: message.id,
            looked_at: false,
        });
    }

    /// The operator sends some letters back. It may die between sending and deleting, and then does it twice.
    pub(crate) fn operator_looks(&mut self) {
        let now = self.clock.now();
        if self.upstream.last_sent().is_some_and(|last| now > last + WORKS_UNTIL) {
            self.letters.closed = true;
            self.send_back_what_is_stuck();
            return;
        }
        for index in self.letters.unread_from..self.letters.all.len() {
            if self.dice.in_thousand(400) {
                self.redrive(index);
            }
            self.letters.all[index].looked_at = true;
        }
        self.letters.unread_from =
            self.letters.all.iter().position(|letter| !letter.looked_at).unwrap_or(self.letters.all.len());
        self.clock.after(30 * MINUTE, Event::Operator);
    }

    /// What is open with nothing in the queue: the sweep reports it as stuck, and its letter, if it has one, goes back.
    /// (One router refused a delivery and acknowledged the message, another claimed it at that very time and died.)
    fn send_back_what_is_stuck(&mut self) {
        let is_in_hand = |folder: &AttemptFolder| folder.launched.is_some() || folder.dial.is_some();
        let is_stuck = |id: &&AttemptId| !self.store.attempt(id).is_some_and(is_in_hand);
        let stuck: Vec<AttemptId> = match self.calls.messages.is_empty() && self.routers.is_empty() {
            true => self.store.open.keys().filter(is_stuck).cloned().collect(),
            false => Vec::new(),
        };
        for id in stuck {
            let of_it = |letter: &Letter| letter.attempt.as_ref().is_some_and(|of| of.key == id.key);
            if let Some(index) = self.letters.all.iter().rposition(of_it) {
                self.send_back(index);
            }
        }
        if !self.store.open.is_empty() {
            self.clock.after(30 * MINUTE, Event::Operator);
        }
    }

    fn redrive(&mut self, index: usize) {
        let times_before = self.letters.all[index].attempt.as_ref().map(|of| self.upstream.redrives(&of.key));
        if times_before.is_some_and(|times| times < MOST_REDRIVES) {
            self.send_back(index);
        }
    }

    fn send_back(&mut self, index: usize) {
        let letter = self.letters.all[index].clone();
        let Some(attempt) = letter.attempt else { return };
        let times = if self.strikes(self.weather.dies) { 2 } else { 1 };
        for _ in 0..times {
            if self.sending() == Sending::Failed {
                continue;
            }
            let (key, number) = (attempt.key.as_str().to_owned(), attempt.number.to_string());
            let message = Message::new(Rc::clone(&letter.body), Some(key), Some(number));
            let id = self.send_to_calls(message, 0);
            self.note(&attempt, || format!("operator: letter of {} goes back as {id}", letter.original));
            self.upstream.redriven(id, &attempt);
        }
    }
}

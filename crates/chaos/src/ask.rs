//! A request of a process whose work is a string of effects: on its way, tried again while the store is silent, answered.

use calls::routing::{self, Claim};
use calls::settle;

use crate::clock::{MINUTE, Ms, SECOND};
use crate::event::Event;
use crate::store::{Owner, PAUSE, TRY_FOR};
use crate::world::{Pid, World};

/// A request of a process on its way.
#[derive(Debug)]
pub struct Ask<E> {
    /// What it asks for.
    pub effect: E,
    /// Drawn for this claim, and kept while that very claim is tried again.
    pub owner: Owner,
    /// Until when it is tried again.
    pub until: Ms,
}

/// What a process of this kind asks for.
pub trait Wish: Sized {
    /// What it hears.
    type Answer;

    /// The request arrives where it goes.
    fn arrives(pid: Pid, ask: Box<Ask<Self>>) -> Event;

    /// The answer arrives at who asked.
    fn is_answered(pid: Pid, input: Box<Self::Answer>) -> Event;

    /// The answer of a store that was silent for too long.
    fn not_done(&self) -> Self::Answer;
}

impl World {
    /// A request sets out. It is carried out, whether its sender still lives by then or not.
    pub(crate) fn sets_out<E: Wish>(&mut self, pid: Pid, effect: E) {
        let takes = if self.strikes(self.weather.stalls) {
            self.dice.skewed(SECOND, 2 * MINUTE)
        } else {
            self.dice.skewed(2, 200)
        };
        let until = self.clock.now() + takes + TRY_FOR;
        let ask = Ask { effect, owner: self.dice.bits(), until };
        self.clock.after(takes, E::arrives(pid, Box::new(ask)));
    }

    /// What came of a request goes back to who sent it. `None`: the store did not say, and is asked once more for as
    /// long as that is worth while.
    pub(crate) fn answers<E: Wish>(&mut self, pid: Pid, ask: Ask<E>, input: Option<E::Answer>) {
        let takes = self.dice.skewed(2, 200);
        match input {
            Some(input) => self.clock.after(takes, E::is_answered(pid, Box::new(input))),
            None if self.clock.now() < ask.until => {
                self.clock.after(PAUSE, E::arrives(pid, Box::new(ask)));
            }
            None => self.clock.after(takes, E::is_answered(pid, Box::new(ask.effect.not_done()))),
        }
    }
}

impl Wish for routing::Effect {
    type Answer = routing::Input;

    fn arrives(pid: Pid, ask: Box<Ask<Self>>) -> Event {
        Event::RouterAsks { pid, ask }
    }

    fn is_answered(pid: Pid, input: Box<Self::Answer>) -> Event {
        Event::RouterHears { pid, input }
    }

    fn not_done(&self) -> Self::Answer {
        use routing::Input;
        match self {
            Self::LoadFolder(_) => Input::Folder(Err(silent())),
            Self::TakePlace { .. } => Input::Place(Err(silent())),
            Self::PutMessage(..) | Self::PutJob { .. } | Self::TakeDial(..) | Self::PutOutcome(..) => {
                Input::Claimed(Claim::Failed(silent()))
            }
            _ => Input::Stored(Err(silent())),
        }
    }
}

impl Wish for settle::Effect {
    type Answer = settle::Input;

    fn arrives(pid: Pid, ask: Box<Ask<Self>>) -> Event {
        Event::SettlerAsks { pid, ask }
    }

    fn is_answered(pid: Pid, input: Box<Self::Answer>) -> Event {
        Event::SettlerHears { pid, input }
    }

    fn not_done(&self) -> Self::Answer {
        use settle::Input;
        match self {
            Self::LoadFolder(_) => Input::Folder(Err(silent())),
            Self::TakeDial(..) | Self::PutOutcome(..) => Input::Claimed(Claim::Failed(silent())),
            _ => Input::Done(Err(silent())),
        }
    }
}

fn silent() -> String {
    "the store does not answer".to_owned()
}

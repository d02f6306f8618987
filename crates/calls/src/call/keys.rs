//! What the callee types: keys that follow each other soon are told to the agent together.

use std::time::{Duration, Instant};

use super::state::Talk;
use super::{Call, Effect};
use crate::keys::{Key, Keys};

/// After so long without another key, what was typed is complete.
pub const KEYS_TOGETHER: Duration = Duration::from_secs(1);

/// The key that people press when they have typed all.
const ALL_TYPED: char = '#';

/// What was typed and is not told yet.
#[derive(Debug, Default)]
pub(super) struct Typed {
    keys: Keys,
    /// When it is complete; `None`: there is nothing.
    complete: Option<Instant>,
}

impl Typed {
    /// Takes what a packet of the room says was pressed. Most it is one key; what is none is left out, and what does
    /// not fit while nobody can be told.
    pub(super) fn take(&mut self, digit: &str, now: Instant) {
        for key in digit.chars().filter_map(Key::of) {
            self.keys.push(key);
            let all = key.as_char() == ALL_TYPED || self.keys.is_full();
            self.complete = Some(if all { now } else { now + KEYS_TOGETHER });
        }
    }

    /// When the agent is to be told.
    pub(super) fn due(&self) -> Option<Instant> {
        self.complete
    }
}

impl Call {
    /// Tells the agent what the callee has typed, once that is complete and somebody is there to be told.
    pub(super) fn tell_typed(&mut self, talk: &mut Talk, now: Instant) {
        if talk.agent_connected && talk.typed.complete.is_some_and(|complete| now >= complete) {
            let typed = std::mem::take(&mut talk.typed);
            self.want(Effect::TellTyped(typed.keys));
        }
    }
}

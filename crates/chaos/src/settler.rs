//! The hands of settling.

use crate::queue::{Message, QueueName};
use crate::world::{Pid, World};

impl World {
    /// The sweep.
    pub(crate) fn sweep_what_is_open(&mut self) {}

    /// The watcher hears that a task stopped.
    pub(crate) fn hear_of_a_task(&mut self, place: u64, _message: &Message) {
        self.acknowledge(QueueName::Watcher, place);
    }

    /// Nobody is at it.
    pub(crate) fn nobody_settles(&self) -> bool {
        true
    }

    /// A settler is gone.
    pub(crate) fn settler_dies(&mut self, _pid: Pid) {}
}

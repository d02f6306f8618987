//! SQS: at least once, in any order, late; what is deleted may come again.

use std::collections::BTreeMap;
use std::rc::Rc;

use calls::routing::Delivery;

use crate::clock::{MINUTE, Ms, SECOND};
use crate::event::Event;
use crate::weather::Service;
use crate::world::World;

/// A queue of the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueName {
    /// Upstream's messages, and what we put back.
    Calls,
    /// News from ECS, for the watcher.
    Watcher,
}

/// One message in a queue.
#[derive(Clone, Debug)]
pub struct Message {
    /// The queue's id of it.
    pub id: String,
    /// The body.
    pub body: Rc<Vec<u8>>,
    /// Attribute `OcgCallKey`.
    pub call_key: Option<String>,
    /// Attribute `OcgAttempt`.
    pub attempt: Option<String>,
    /// Attribute `OcgPutBack`.
    pub put_back: Option<u32>,
    /// When it was sent.
    pub sent_at: Ms,
    /// How often it was received.
    pub receives: u32,
    /// Counts what was scheduled for it: only the last of it is due.
    version: u64,
}

/// A queue's messages, by their place in it.
#[derive(Debug, Default)]
pub struct Queue {
    /// Those that are not deleted.
    pub messages: BTreeMap<u64, Message>,
    sent: u64,
}

/// How many deliveries the queue itself allows before it moves a message to the dead letters, for no reason that it
/// tells.
pub const QUEUES_OWN_LIMIT: u32 = 100;

impl Message {
    /// A message as it will be sent.
    pub fn new(body: Rc<Vec<u8>>, call_key: Option<String>, attempt: Option<String>) -> Self {
        let id = String::new();
        Self { id, body, call_key, attempt, put_back: None, sent_at: 0, receives: 0, version: 0 }
    }
}

impl World {
    /// A message arrives at a queue. Its id is the queue's, whatever the sender hears.
    pub fn enqueue(&mut self, name: QueueName, mut message: Message, delay: Ms) -> String {
        let now = self.clock.now();
        let queue = self.queue(name);
        queue.sent += 1;
        let place = queue.sent;
        message.id = format!("{}-{place}", if name == QueueName::Calls { "m" } else { "w" });
        message.sent_at = now;
        let (id, body) = (message.id.clone(), Rc::clone(&message.body));
        queue.messages.insert(place, message);
        if name == QueueName::Calls {
            self.upstream.keep_body(&id, &body);
        }
        let late = self.dice.skewed(5, 3 * SECOND);
        self.clock.after(delay + late, Event::Deliver { queue: name, place, version: 0 });
        id
    }

    /// The queue hands a message out, if nothing has become of it since that was planned.
    pub fn deliver(&mut self, name: QueueName, place: u64, version: u64) {
        let visibility = self.visibility;
        let again = self.dice.between(visibility, visibility + 5 * SECOND);
        if self.weather.is_away(Service::Queue, self.clock.now()) {
            self.clock.after(again, Event::Deliver { queue: name, place, version });
            return;
        }
        let Some(message) = self.queue(name).messages.get_mut(&place) else { return };
        if message.version != version {
            return;
        }
        message.version += 1;
        message.receives += 1;
        let (version, too_often) = (message.version, message.receives > QUEUES_OWN_LIMIT);
        let received = message.clone();
        if too_often && name == QueueName::Calls {
            self.queue(name).messages.remove(&place);
            self.moved_by_the_queue(received);
            return;
        } else {
            self.clock.after(again, Event::Deliver { queue: name, place, version });
        }
        let twice = self.strikes(self.weather.doubles);
        self.receive(name, place, &received);
        if twice {
            self.receive(name, place, &received);
        }
    }

    fn receive(&mut self, name: QueueName, place: u64, message: &Message) {
        match name {
            QueueName::Calls => self.route(place, message),
            QueueName::Watcher => self.hear_of_a_task(place, message),
        }
    }

    /// Acknowledges a message; the queue may not do it, or forget that it did.
    pub fn acknowledge(&mut self, name: QueueName, place: u64) {
        let lost = self.weather.is_away(Service::Queue, self.clock.now()) || self.strikes(self.weather.fails);
        if lost {
            return;
        }
        let returns = self.strikes(self.weather.doubles);
        let after = self.dice.skewed(SECOND, 30 * MINUTE);
        let Some(message) = self.queue(name).messages.get_mut(&place) else { return };
        if returns {
            // A copy of it was out of reach when it was deleted.
            message.version += 1;
            let version = message.version;
            self.clock.after(after, Event::Deliver { queue: name, place, version });
        } else {
            self.queue(name).messages.remove(&place);
        }
    }

    /// Makes a message come again after `delay` (ChangeMessageVisibility).
    pub fn put_off(&mut self, name: QueueName, place: u64, delay: Ms) {
        if self.strikes(self.weather.fails) {
            return;
        }
        let late = self.dice.skewed(5, 3 * SECOND);
        let Some(message) = self.queue(name).messages.get_mut(&place) else { return };
        message.version += 1;
        let version = message.version;
        self.clock.after(delay + late, Event::Deliver { queue: name, place, version });
    }

    /// Does a send get through, and does its sender hear of it?
    pub fn sending(&mut self) -> Sending {
        if self.weather.is_away(Service::Queue, self.clock.now()) || self.strikes(self.weather.fails) {
            Sending::Failed
        } else if self.strikes(self.weather.reply_lost) {
            Sending::DoneUnheard
        } else {
            Sending::Done
        }
    }

    fn queue(&mut self, name: QueueName) -> &mut Queue {
        match name {
            QueueName::Calls => &mut self.calls,
            QueueName::Watcher => &mut self.watcher,
        }
    }
}

/// What becomes of a message that is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// It is in the queue.
    Done,
    /// It is in the queue, and its sender believes that it is not.
    DoneUnheard,
    /// It is not.
    Failed,
}

/// A message, as routing wants it.
pub fn as_delivery(world: &World, message: &Message) -> Delivery {
    Delivery {
        message_id: message.id.clone(),
        body: message.body.to_vec(),
        call_key: message.call_key.clone(),
        attempt: message.attempt.clone(),
        put_back: message.put_back,
        receive_count: message.receives,
        sent_at: world.clock.wall_at(message.sent_at),
    }
}

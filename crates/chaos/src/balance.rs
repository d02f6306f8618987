//! The end of a day: every message in exactly one place, nothing left over.

use std::collections::HashMap;

use calls::ids::{AttemptId, CallKey};
use calls::trigger::{TriggerCall, call_key};

use crate::world::World;

impl World {
    /// Counts messages and what is left.
    pub(crate) fn balance(&mut self) {
        self.balance_messages();
        self.balance_what_is_left();
    }

    fn balance_messages(&mut self) {
        let of_message: HashMap<String, CallKey> = self
            .store
            .calls
            .iter()
            .filter_map(|(key, call)| Some((call.message.as_ref()?.is.message_id.clone(), key.clone())))
            .collect();
        let sent = std::mem::take(&mut self.upstream.sent);
        for (message, marked) in &sent {
            let queued = self.calls.messages.values().any(|queued| queued.id == *message);
            let acknowledged = self.witness.acknowledged(message).cloned();
            // A message that is not its call's own may have carried that call on all the same.
            let continued = acknowledged.as_ref().map(|attempt| &attempt.key);
            let continued = continued.filter(|key| *marked || self.is_of_call(message, key));
            let settled = of_message.get(message).or(continued).is_some_and(|key| self.has_ended(key));
            if !(settled || queued || self.witness.has_place(message)) {
                self.witness.lost += 1;
                self.witness.violated(acknowledged, format!("message {message} is nowhere"));
            }
        }
        self.upstream.sent = sent;
        let unsettled: Vec<CallKey> = self
            .store
            .calls
            .iter()
            .filter(|(key, call)| call.message.is_some() && !self.has_ended(key))
            .map(|(key, _)| key.clone())
            .collect();
        for key in unsettled {
            self.witness.lost += 1;
            self.witness.violated(Some(AttemptId::new(key, 1)), "its call has no end".to_owned());
        }
    }

    /// Does the message's own id make this call?
    fn is_of_call(&self, message: &str, key: &CallKey) -> bool {
        let body = self.upstream.body_of(message).unwrap_or_default();
        TriggerCall::read(&body).is_ok_and(|trigger| call_key(&trigger.tracking, message) == *key)
    }

    /// The last attempt's `next.json` ends the call.
    fn has_ended(&self, key: &CallKey) -> bool {
        let Some(call) = self.store.calls.get(key) else { return false };
        let last = call.attempts.values().next_back().and_then(|attempt| attempt.next.as_ref());
        last.is_some_and(|next| next.is.ends_the_call())
    }

    fn balance_what_is_left(&mut self) {
        let mut left: Vec<(Option<AttemptId>, String)> = Vec::new();
        left.extend(self.store.open.keys().map(|id| (Some(id.clone()), "open/ is left".to_owned())));
        let places = self.store.places.keys();
        left.extend(
            places.map(|place| (Some(place.id.clone()), format!("its place in {} is left", place.country))),
        );
        let rooms = self.livekit.rooms.iter();
        left.extend(rooms.map(|(name, room)| (room.attempt.clone(), format!("the room {name} is left"))));
        let legs = self.livekit.legs.values();
        left.extend(legs.map(|leg| (Some(leg.dialed.attempt.clone()), "a leg is left".to_owned())));
        let tasks = self.ecs.tasks();
        left.extend(
            tasks.map(|(number, task)| (Some(task.attempt.clone()), format!("task-{number} is left"))),
        );
        let agents = self.vendor.calls.iter();
        left.extend(agents.map(|(id, call)| (Some(call.attempt.clone()), format!("{id} is left"))));
        let queued = self.calls.messages.values().chain(self.watcher.messages.values());
        left.extend(queued.map(|message| (None, format!("message {} is still in its queue", message.id))));
        self.witness.left_over += left.len() as u64;
        for (id, what) in left {
            self.witness.violated(id, what);
        }
    }
}

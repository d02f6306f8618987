//! The end of a day: every message in exactly one place, nothing left over.

use std::collections::HashMap;

use calls::ids::{AttemptId, CallKey};

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
        for (message, continues) in &sent {
            let queued = self.calls.messages.values().any(|queued| queued.id == *message);
            let own = of_message.get(message).or(continues.as_ref().map(|attempt| &attempt.key));
            let settled = own.is_some_and(|key| self.has_ended(key));
            if !(settled || queued || self.witness.has_place(message)) {
                self.witness.lost += 1;
                let id = own.map(|key| AttemptId::new(key.clone(), 1));
                self.witness.violated(id, format!("message {message} is nowhere"));
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

    /// The last attempt's `next.json` ends the call.
    fn has_ended(&self, key: &CallKey) -> bool {
        let Some(call) = self.store.calls.get(key) else { return false };
        let last = call.attempts.values().next_back().and_then(|attempt| attempt.next.as_ref());
        last.is_some_and(|next| matches!(next.is.as_str(), "nothing" | "dead letter"))
    }

    fn balance_what_is_left(&mut self) {
        let mut left: Vec<(Option<AttemptId>, String)> = Vec::new();
        left.extend(self.store.open.keys().map(|id| (Some(id.clone()), "open/ is left".to_owned())));
        let rooms = self.livekit.rooms.iter();
        left.extend(rooms.map(|(name, room)| (room.attempt.clone(), format!("the room {name} is left"))));
        let legs = self.livekit.legs.values();
        left.extend(legs.map(|leg| (Some(leg.dialed.attempt.clone()), "a leg is left".to_owned())));
        let tasks = self.ecs.tasks();
        left.extend(tasks.map(|(number, task)| (Some(task.attempt.clone()), format!("task-{number} is left"))));
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

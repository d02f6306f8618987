//! The agent's vendor: its calls cost money from the moment that somebody joins them.

use std::collections::BTreeMap;

use calls::ids::AttemptId;

use crate::clock::Ms;

/// An agent's call that has not ended.
#[derive(Clone, Debug)]
pub struct AgentCall {
    /// For which attempt it was made.
    pub attempt: AttemptId,
    /// Somebody has opened its socket.
    pub joined: bool,
    /// Since when its bridge is gone, if it is.
    pub abandoned: Option<Ms>,
}

/// All agent calls that have not ended.
#[derive(Debug, Default)]
pub struct Vendor {
    /// By their id.
    pub calls: BTreeMap<String, AgentCall>,
    created: u64,
}

impl Vendor {
    /// Makes a call. Unjoined, it expires.
    pub fn create(&mut self, attempt: &AttemptId) -> String {
        self.created += 1;
        let id = format!("agent-{:06}", self.created);
        let call = AgentCall { attempt: attempt.clone(), joined: false, abandoned: None };
        self.calls.insert(id.clone(), call);
        id
    }

    /// Somebody opens its socket; `false`: it has ended before.
    pub fn join(&mut self, id: &str) -> bool {
        let Some(call) = self.calls.get_mut(id) else { return false };
        call.joined = true;
        true
    }

    /// It ends; with `only_unjoined` only if nobody is in it.
    pub fn ends(&mut self, id: &str, only_unjoined: bool) {
        if self.calls.get(id).is_some_and(|call| !(only_unjoined && call.joined)) {
            self.calls.remove(id);
        }
    }

    /// No agent's call is left.
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }
}

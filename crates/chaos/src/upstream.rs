//! Campaigns: what they send, how they repeat themselves, and what they get wrong.

use std::collections::HashMap;
use std::rc::Rc;

use calls::ids::{AttemptId, CallKey};

use crate::clock::{HOUR, Ms};
use crate::countries::COUNTRIES;
use crate::event::Event;
use crate::queue::{Message, Sending};
use crate::world::World;

/// The day's messages are sent within about this.
const SENT_WITHIN: Ms = 12 * HOUR;
/// Of messages, per attempt that is wanted: a day without an end has one all the same.
const MOST_PER_ATTEMPT: u64 = 20;

/// What upstream, and the operator, have sent.
#[derive(Debug, Default)]
pub struct Upstream {
    /// The queue's ids of all messages that came from outside, and whether they are marked as ours.
    pub sent: Vec<(String, bool)>,
    bodies: HashMap<String, Rc<Vec<u8>>>,
    recent: Vec<Rc<Vec<u8>>>,
    redrives: HashMap<CallKey, u32>,
    calls: u64,
    last_sent: Option<Ms>,
}

impl Upstream {
    /// When the last message was sent; none while more will come.
    pub fn last_sent(&self) -> Option<Ms> {
        self.last_sent
    }

    /// The body of a message by the queue's id.
    pub fn body_of(&self, id: &str) -> Option<Rc<Vec<u8>>> {
        self.bodies.get(id).cloned()
    }

    /// Keeps the body of a message that is in the queue.
    pub fn keep_body(&mut self, id: &str, body: &Rc<Vec<u8>>) {
        self.bodies.insert(id.to_owned(), Rc::clone(body));
    }

    /// How often a call's letters were sent back.
    pub fn redrives(&self, key: &CallKey) -> u32 {
        self.redrives.get(key).copied().unwrap_or(0)
    }

    /// The operator has sent a letter back.
    pub fn redriven(&mut self, id: String, attempt: &AttemptId) {
        *self.redrives.entry(attempt.key.clone()).or_default() += 1;
        self.sent.push((id, true));
    }
}

impl World {
    /// Upstream sends a handful of messages, until enough attempts were made.
    pub(crate) fn upstream_sends(&mut self) {
        let wanted = self.settings.attempts;
        let enough = self.store.attempts >= wanted
            || self.upstream.sent.len() as u64 >= wanted.saturating_mul(MOST_PER_ATTEMPT);
        if enough {
            self.upstream.last_sent = Some(self.clock.now());
            return;
        }
        let burst = self.dice.skewed(1, 40);
        for _ in 0..burst {
            self.upstream_sends_one();
        }
        let gap = SENT_WITHIN / wanted.max(1) * burst;
        let next = self.dice.between(gap / 2, gap * 3 / 2);
        self.clock.after(next, Event::Upstream);
    }

    fn upstream_sends_one(&mut self) {
        let body = match self.dice.weighted(&[850, 60, 30, 20, 40]) {
            0 => Rc::new(self.a_call(|nth| format!(r#""id":"call-{nth}","#))),
            1 if !self.upstream.recent.is_empty() => Rc::clone(self.dice.one_of(&self.upstream.recent)),
            2 => Rc::new(self.a_call(|_| String::new())),
            3 => {
                let hostile = *self.dice.one_of(&HOSTILE);
                Rc::new(self.a_call(|nth| format!(r#""id":"{hostile}{nth}","organizationId":"{hostile}","#)))
            }
            _ => Rc::new(self.dice.one_of(&REFUSABLE).as_bytes().to_vec()),
        };
        let (mut call_key, mut attempt) = (None, None);
        if self.dice.in_thousand(5) {
            // Attributes like ours, from somebody who is not us, and who names another call.
            call_key = Some(CallKey::from_ids(None, None, "call-1").as_str().to_owned());
            attempt = Some((*self.dice.one_of(&["1", "2", "7", "0", "-3", "x"])).to_owned());
        }
        if self.upstream.recent.len() < 400 {
            self.upstream.recent.push(Rc::clone(&body));
        } else {
            let place = usize::try_from(self.dice.between(0, 399)).unwrap_or(0);
            self.upstream.recent[place] = Rc::clone(&body);
        }
        // Who does not hear that it was sent sends it again.
        for _ in 0..5 {
            let sending = self.sending();
            if sending != Sending::Failed {
                let message = Message::new(Rc::clone(&body), call_key.clone(), attempt.clone());
                let id = self.send_to_calls(message, 0);
                self.upstream.sent.push((id, call_key.is_some()));
            }
            if sending == Sending::Done {
                return;
            }
        }
    }

    fn a_call(&mut self, id: impl Fn(u64) -> String) -> Vec<u8> {
        self.upstream.calls += 1;
        let nth = self.upstream.calls;
        let country = &COUNTRIES[self.dice.weighted(&SHARES)];
        let digits = 10u64.pow(u32::try_from(country.digits).unwrap_or(8));
        let subscriber = self.dice.between(digits / 5, digits - 1);
        let (id, prefix, width) = (id(nth), country.prefix, country.digits);
        format!(
            r#"{{"messageType":"TRIGGER_CALL",{id}"metadata":{{"callId":"c-{nth}","phoneNumbers":[{{"number":"{prefix}{subscriber:0width$}"}}],"subject":{{"prompt":{{"text":"Be kind."}}}}}}}}"#
        )
        .into_bytes()
    }
}

/// Of [`COUNTRIES`], in a thousand. What waits for a place, for its turn or for the morning must not grow for ever.
const SHARES: [u32; 5] = [440, 310, 80, 110, 60];

const HOSTILE: [&str; 5] =
    ["../../open/", "\\u0000\\ud83d\\ude00", "a2/outcome.json", "%2e%2e/", "' OR 1=1 -- "];

const REFUSABLE: [&str; 7] = [
    "{",
    "[]",
    r#"{"messageType":"OTHER"}"#,
    r#"{"messageType":"TRIGGER_CALL","id":"no-prompt","metadata":{"phoneNumbers":[{"number":"+5511912345678"}]}}"#,
    r#"{"messageType":"TRIGGER_CALL","id":"nobody","metadata":{"phoneNumbers":[{"number":"+4915112345678"}],"subject":{"prompt":{"text":"Be kind."}}}}"#,
    r#"{"messageType":"TRIGGER_CALL","id":"no-number","metadata":{"phoneNumbers":[],"subject":{"prompt":{"text":"Be kind."}}}}"#,
    r#"{"messageType":"TRIGGER_CALL","id":"odd","metadata":{"phoneNumbers":[{"number":"abc"}],"subject":{"prompt":{"text":"Be kind."}}}}"#,
];

//! What the router would decide. Its own state machine is asked, with a call folder that is empty.

use std::sync::Arc;

use calls::plan::{CallPlan, Leg};
use calls::profile::Profiles;
use calls::routing::{Claim, Delivery, Effect, Folder, Input, Policy, Routing, Verdict as Routed};
use calls::trigger::Refusal;
use jiff::Timestamp;
use serde::Serialize;

/// The queue gives each message an id; this one never met a queue.
const NO_MESSAGE_ID: &str = "";

/// What would happen to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "decision", rename_all = "lowercase", rename_all_fields = "camelCase")]
pub enum Verdict {
    /// It is dialed.
    Dial {
        /// E.164.
        number: String,
        /// Whose profile.
        country: String,
        /// The id that events carry; `None`: the message has none, and gets the call's key.
        call_id: Option<String>,
        /// The agent's voice.
        voice_id: String,
        /// What the agent is told.
        system_prompt: String,
        /// What it says first.
        greeting_message: Option<String>,
    },
    /// It goes to the dead letters.
    Refuse {
        /// The stable code.
        code: String,
        /// The place in the message that is at fault.
        path: Option<String>,
        /// One sentence.
        detail: String,
        /// The id that events carry, if it could be read.
        call_id: Option<String>,
    },
    /// It stays on the queue until something of ours is mended.
    Retry {
        /// What.
        detail: String,
    },
}

impl Verdict {
    /// Asks the router's own code what it would do with this body.
    pub fn of(body: &[u8], profiles: &Arc<Profiles>) -> Self {
        let now = Timestamp::now();
        let delivery = Delivery {
            message_id: NO_MESSAGE_ID.to_owned(),
            body: body.to_owned(),
            call_key: None,
            attempt: None,
            put_back: None,
            receive_count: 1,
            sent_at: now,
        };
        let mut routing = Routing::new(delivery, Policy::default(), now);
        let key = routing.attempt().key;
        while let Some(effect) = routing.poll_effect() {
            let answer = match effect {
                Effect::PutJob { plan, .. } => return Self::dial(*plan, key.as_str()),
                Effect::SendDeadLetter(letter) => return Self::refuse(letter.refusal, letter.call_id),
                Effect::Finish(Routed::Retry(detail)) => return Self::Retry { detail },
                Effect::LoadFolder(_) => Input::Folder(Ok(Folder::default())),
                // When it is dialed is another question.
                Effect::LoadProfiles { .. } => Input::Profiles(Ok(Arc::new(profiles.without_limits()))),
                Effect::PutOpen(_) => Input::Stored(Ok(())),
                Effect::PutMessage(..) => Input::Claimed(Claim::Ours),
                _ => continue,
            };
            routing.handle(answer);
        }
        Self::Retry { detail: "the router came to no decision".to_owned() }
    }

    fn dial(plan: CallPlan, key: &str) -> Self {
        let number = match &plan.leg {
            Leg::Outbound { to } => to.as_e164().to_owned(),
            Leg::Inbound => String::new(),
        };
        Self::Dial {
            number,
            country: plan.profile.country,
            call_id: Some(plan.call_id).filter(|id| id != key),
            voice_id: plan.profile.agent.voice,
            system_prompt: plan.system_prompt,
            greeting_message: plan.greeting_message,
        }
    }

    fn refuse(refusal: Refusal, call_id: Option<String>) -> Self {
        Self::Refuse {
            code: refusal.code.as_str().to_owned(),
            path: refusal.path,
            detail: refusal.detail,
            call_id,
        }
    }
}

//! A plan is everything a task needs to know about one call, and no secret.

use serde::{Deserialize, Serialize};

use crate::ids::CallKey;
use crate::phone::PhoneNumber;
use crate::profile::{CountryProfile, Found, Profiles};
use crate::trigger::{Refusal, RefusalCode, Tracking, TriggerCall};

/// One call as it will be made. Stored in `job.json`; what stands there is dialed, whatever changes later.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallPlan {
    /// The id that events and people see.
    pub call_id: String,
    /// Outbound or inbound.
    pub leg: Leg,
    /// The country's profile, with the message's voice put in where it has one.
    pub profile: CountryProfile,
    /// What the agent is told to be and do.
    pub system_prompt: String,
    /// What the agent says first, if anything is prescribed.
    #[serde(default)]
    pub greeting_message: Option<String>,
    /// What upstream wants to see again in every event.
    #[serde(default)]
    pub tracking: Tracking,
}

/// Which way the phone leg is made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "direction")]
pub enum Leg {
    /// We dial.
    Outbound {
        /// Whom.
        to: PhoneNumber,
    },
    /// Somebody calls into a room.
    Inbound,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoPlan {
    /// Never: nobody serves this number.
    Refused(Refusal),
    /// Not now: its country's profile is broken and will be mended.
    BrokenProfile {
        /// Which profile and field.
        detail: String,
    },
}

/// Puts a message and its country's profile together. `key` is the last resort for an id to show.
///
/// # Errors
/// [`NoPlan`]: refused for an unknown prefix (there is no fallback to another country), or to be tried again
/// because the country's own profile is broken.
pub fn plan(trigger: &TriggerCall, profiles: &Profiles, key: &CallKey) -> Result<CallPlan, NoPlan> {
    let mut profile = match profiles.lookup(&trigger.to) {
        Found::Profile(profile) => profile.clone(),
        Found::Broken(error) => return Err(NoPlan::BrokenProfile { detail: error.to_string() }),
        Found::None => {
            let detail = format!("no country profile claims the prefix of {}", trigger.to);
            let path = Some(trigger.to_path.clone());
            return Err(NoPlan::Refused(Refusal::new(RefusalCode::NoProfileForPrefix, detail, path)));
        }
    };
    if let Some(voice) = &trigger.voice_id {
        profile.agent.voice.clone_from(voice);
    }
    Ok(CallPlan {
        call_id: shown_id(trigger.call_id.as_deref(), &trigger.tracking, key),
        leg: Leg::Outbound { to: trigger.to.clone() },
        profile,
        system_prompt: trigger.system_prompt.clone(),
        greeting_message: trigger.greeting_message.clone(),
        tracking: trigger.tracking.clone(),
    })
}

/// The id that events and people see: `callId`, else `id`, else the key.
pub(crate) fn shown_id(call_id: Option<&str>, tracking: &Tracking, key: &CallKey) -> String {
    let id = tracking.id.as_deref().filter(|id| !id.is_empty());
    call_id.or(id).unwrap_or(key.as_str()).to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn trigger(extra: &str) -> TriggerCall {
        let text = format!(
            r#"{{"messageType":"TRIGGER_CALL","id":"i-1","metadata":{{{extra}"phoneNumbers":[{{"number":"+5511912345678"}}],
            "subject":{{"prompt":{{"text":"Be kind. {{{{name}}}}","greetingMessage":"Olá"}}}}}}}}"#
        );
        TriggerCall::read(text.as_bytes()).unwrap()
    }

    fn brazil(voice: &str) -> Profiles {
        let text = format!(
            r#"{{"v":1,"country":"BR","agent":{{{voice}}},
            "livekit":{{"url":"wss://lk.example","trunkId":"ST_1","callerId":"+551130000000"}}}}"#
        );
        Profiles::new([CountryProfile::from_json(&text)]).unwrap()
    }

    fn key() -> CallKey {
        CallKey::from_sqs_message("m-1")
    }

    #[test]
    fn a_plan_is_message_and_profile_together() {
        let plan = plan(&trigger(""), &brazil(r#""voice":"Ana""#), &key()).unwrap();
        assert_eq!(plan.leg, Leg::Outbound { to: PhoneNumber::parse("+5511912345678").unwrap() });
        assert_eq!((plan.profile.country.as_str(), plan.profile.agent.voice.as_str()), ("BR", "Ana"));
        assert_eq!(plan.system_prompt, "Be kind. {{name}}");
        assert_eq!(plan.greeting_message.as_deref(), Some("Olá"));
        assert_eq!(plan.call_id, "i-1");
    }

    #[test]
    fn the_messages_voice_wins_unless_it_is_blank() {
        let voiced = plan(&trigger(r#""voiceId":"Rui","#), &brazil(r#""voice":"Ana""#), &key()).unwrap();
        assert_eq!(voiced.profile.agent.voice, "Rui");
        let blank = plan(&trigger(r#""voiceId":" ","#), &brazil(r#""voice":"Ana""#), &key()).unwrap();
        assert_eq!(blank.profile.agent.voice, "Ana");
    }

    #[test]
    fn an_unknown_prefix_is_refused_and_a_broken_profile_is_not() {
        let none = plan(&trigger(""), &Profiles::default(), &key()).unwrap_err();
        let NoPlan::Refused(refusal) = none else { panic!("{none:?}") };
        assert_eq!(refusal.code, RefusalCode::NoProfileForPrefix);
        assert_eq!(refusal.path.as_deref(), Some("metadata.phoneNumbers[0].number"));
        assert!(!refusal.detail.contains("912345678"), "{}", refusal.detail);
        let broken = plan(&trigger(""), &brazil(""), &key()).unwrap_err();
        let NoPlan::BrokenProfile { detail } = broken else { panic!("{broken:?}") };
        assert!(detail.contains("BR") && detail.contains("agent.voice"), "{detail}");
    }

    #[test]
    fn the_shown_id_is_the_first_that_there_is() {
        let ids = |id: Option<&str>| Tracking { id: id.map(str::to_owned), ..Tracking::default() };
        assert_eq!(shown_id(Some("c"), &ids(Some("i")), &key()), "c");
        assert_eq!(shown_id(None, &ids(Some("i")), &key()), "i");
        assert_eq!(shown_id(None, &ids(Some("")), &key()), key().as_str());
    }
}

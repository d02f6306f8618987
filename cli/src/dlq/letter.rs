//! A dead letter: what it says of itself, and whose call it is.

use calls::ids::CallKey;
use calls::phone::PhoneNumber;
use calls::profile::{Found, Profiles};
use calls::routing::{Delivery, Policy, Routing};
use calls::trigger::TriggerCall;
use cloud::queue::Received;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

/// What stands where there is nothing.
pub const NOTHING: &str = "-";
/// Fewer characters of an id could be any letter's.
const SHORTEST: usize = 4;

/// A received dead letter.
#[derive(Clone, Debug)]
pub struct Letter {
    /// As the queue gave it.
    pub received: Received,
}

/// What people and machines are told of a letter.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Described {
    /// The queue's id of it.
    pub id: String,
    /// When it was refused (or, if SQS moved it by itself, first sent).
    pub at: Timestamp,
    /// Since then.
    pub age_seconds: i64,
    /// The refusal's code; none if SQS moved it by itself.
    pub code: Option<String>,
    /// The place in the message that is at fault.
    pub path: Option<String>,
    /// One sentence.
    pub detail: Option<String>,
    /// Whose number it would dial.
    pub country: Option<String>,
    /// The id that upstream knows.
    pub call_id: Option<String>,
    /// The call.
    pub key: CallKey,
    /// The attempt that would come next, as the letter says.
    pub attempt: Option<u32>,
    /// The queue's id of the message that was refused.
    pub original_message_id: String,
    /// How often somebody has looked at it, this time included.
    pub receive_count: u32,
}

impl Letter {
    /// The queue's id of it.
    pub fn id(&self) -> &str {
        &self.received.message_id
    }

    /// The refusal's code; `None`: SQS moved it by itself.
    pub fn code(&self) -> Option<&str> {
        self.received.text("RefusalCode")
    }

    /// The JSON path at fault.
    pub fn path(&self) -> Option<&str> {
        self.received.text("RefusalPath")
    }

    /// Why it is here, in a sentence.
    pub fn detail(&self) -> Option<&str> {
        self.received.text("RefusalDetail")
    }

    /// Since when it is here; of one that SQS moved by itself, when it was first sent.
    pub fn at(&self) -> Timestamp {
        let refused_at = self.received.text("RefusedAt").and_then(|text| text.parse().ok());
        refused_at.unwrap_or(self.received.sent_at)
    }

    /// The queue's id of the refused message. SQS keeps the id of what it moves by itself.
    pub fn original_message_id(&self) -> &str {
        self.received.text("OriginalMessageId").unwrap_or(self.id())
    }

    /// The attempt that would come next.
    pub fn attempt(&self) -> Option<u32> {
        self.received.text("OcgAttempt")?.parse().ok()
    }

    /// The call that this letter is, by the router's own rules.
    pub fn key(&self) -> CallKey {
        self.key_with(&self.received.body)
    }

    /// The call that it would be with this body.
    pub fn key_with(&self, body: &str) -> CallKey {
        let delivery = Delivery {
            message_id: self.original_message_id().to_owned(),
            body: body.as_bytes().to_owned(),
            ..self.received.delivery()
        };
        Routing::new(delivery, Policy::default(), self.received.sent_at).attempt().key
    }

    /// The id that upstream knows.
    pub fn call_id(&self) -> Option<String> {
        if let Some(known) = self.received.text("CallId") {
            return Some(known.to_owned());
        }
        let (call_id, id) = match TriggerCall::read(self.received.body.as_bytes()) {
            Ok(trigger) => (trigger.call_id, trigger.tracking.id),
            Err(unusable) => (unusable.call_id, unusable.tracking.id),
        };
        call_id.or(id).filter(|id| !id.is_empty())
    }

    /// The country of the number that it would dial: of the profile that serves it, else by the number's own.
    pub fn country(&self, profiles: Option<&Profiles>) -> Option<String> {
        let number = self.number()?;
        let served_by = profiles.and_then(|profiles| match profiles.lookup(&number) {
            Found::Profile(profile) => Some(profile.country.clone()),
            Found::Broken(error) => error.country.clone(),
            Found::None => None,
        });
        served_by.or_else(|| number.region())
    }

    /// The number to dial, or the first one that is one if the message is refused before its numbers are looked at.
    fn number(&self) -> Option<PhoneNumber> {
        if let Ok(trigger) = TriggerCall::read(self.received.body.as_bytes()) {
            return Some(trigger.to);
        }
        let body: Value = serde_json::from_str(&self.received.body).ok()?;
        let entries = body["metadata"]["phoneNumbers"].as_array()?;
        entries.iter().find_map(|entry| match &entry["number"] {
            Value::String(text) => PhoneNumber::parse(text).ok(),
            Value::Number(number) => PhoneNumber::parse(&number.to_string()).ok(),
            _ => None,
        })
    }

    /// Is this the letter that somebody means with a prefix of its id or of its call's key, or with an id that
    /// upstream or the queue knows?
    pub fn is_meant_by(&self, word: &str) -> bool {
        let lower = word.to_ascii_lowercase();
        let begins = |id: &str| lower.len() >= SHORTEST && id.starts_with(&lower);
        begins(self.id())
            || begins(self.key().as_str())
            || self.original_message_id() == lower
            || self.call_id().is_some_and(|id| id == word)
    }

    /// All of it but its body and foreign attributes.
    pub fn described(&self, profiles: Option<&Profiles>, now: Timestamp) -> Described {
        Described {
            id: self.id().to_owned(),
            at: self.at(),
            age_seconds: now.duration_since(self.at()).as_secs().max(0),
            code: self.code().map(str::to_owned),
            path: self.path().map(str::to_owned),
            detail: self.detail().map(str::to_owned),
            country: self.country(profiles),
            call_id: self.call_id(),
            key: self.key(),
            attempt: self.attempt(),
            original_message_id: self.original_message_id().to_owned(),
            receive_count: self.received.receive_count,
        }
    }
}

/// As much of each id as tells these letters apart; eight characters at least.
pub fn shown_length(letters: &[Letter]) -> usize {
    let longest = letters.iter().map(|letter| letter.id().len()).max().unwrap_or_default();
    let is_enough = |length: &usize| {
        let mut heads: Vec<&str> = letters.iter().filter_map(|letter| letter.id().get(..*length)).collect();
        heads.sort_unstable();
        heads.windows(2).all(|two| two[0] != two[1])
    };
    (8..longest).find(is_enough).unwrap_or(longest)
}

/// Text from outside for a terminal: what would move its cursor, colour or reverse it is written out.
pub fn printable(text: &str) -> String {
    let is_hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match is_hidden(c) {
            true => safe.extend(c.escape_unicode()),
            false => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
pub mod tests {
    #![allow(clippy::unwrap_used)]
    use cloud::queue::attributes::Attribute;

    use super::*;

    /// A letter with this body and these attributes.
    pub fn letter(id: &str, body: &str, attributes: &[(&str, &str)]) -> Letter {
        let attributes = attributes.iter().filter_map(|(name, text)| Attribute::text(name, text)).collect();
        let received =
            Received { message_id: id.to_owned(), body: body.to_owned(), attributes, ..Received::default() };
        Letter { received }
    }

    fn message(extra: &str) -> String {
        format!(
            r#"{{"messageType":"TRIGGER_CALL",{extra}"metadata":{{"phoneNumbers":[{{"number":"+5511987654321"}}],
            "subject":{{"prompt":{{"text":"Hi"}}}}}}}}"#
        )
    }

    #[test]
    fn a_letter_is_the_call_that_its_message_was() {
        let by_id = CallKey::from_ids(None, None, "i-1");
        assert_eq!(letter("l", &message(r#""id":"i-1","#), &[]).key(), by_id);
        let claims = [("OcgCallKey", "0123456789abcdef0123456789abcdef"), ("OriginalMessageId", "m-1")];
        assert_eq!(letter("l", &message(r#""id":"i-1","#), &claims).key(), by_id, "the body contradicts");
        assert_eq!(letter("l", "no json", &claims).key().as_str(), claims[0].1);
        let moved_by_sqs = letter("m-1", &message(""), &[]);
        assert_eq!(moved_by_sqs.key(), CallKey::from_sqs_message("m-1"));
        assert_eq!(moved_by_sqs.key_with(&message(r#""id":"i-1","#)), by_id);
    }

    #[test]
    fn the_country_is_the_profiles_or_the_numbers_own() {
        let country = |body: &str| letter("l", body, &[]).country(None);
        assert_eq!(country(&message("")).as_deref(), Some("BR"));
        let no_prompt = r#"{"metadata":{"phoneNumbers":[null,{"number":"x"},{"number":81312345678}]}}"#;
        assert_eq!(country(no_prompt).as_deref(), Some("JP"));
        assert_eq!(country("no json"), None);
        let profile = r#"{"v":1,"country":"XX","prefixes":["+55"],"agent":{"voice":"v"},
            "livekit":{"url":"wss://lk.example","trunkId":"ST_1","callerId":"+551130000000"}}"#;
        let profiles = Profiles::new([calls::profile::CountryProfile::from_json(profile)]).unwrap();
        assert_eq!(letter("l", &message(""), &[]).country(Some(&profiles)).as_deref(), Some("XX"));
    }

    #[test]
    fn a_letter_is_found_by_any_of_its_ids() {
        let attributes = [("OriginalMessageId", "0aa0-77"), ("CallId", "Call 7")];
        let letter = letter("1b2c-88", &message(r#""id":"i-1","#), &attributes);
        let key = letter.key();
        for word in ["1b2c", "1B2C-88", "0aa0-77", "Call 7", &key.as_str()[..6], key.as_str()] {
            assert!(letter.is_meant_by(word), "{word}");
        }
        for word in ["", "1b2", "0aa0", "call 7", "Call", "2c-88"] {
            assert!(!letter.is_meant_by(word), "{word}");
        }
    }

    #[test]
    fn ids_are_shown_as_long_as_they_must_be() {
        let of = |ids: &[&str]| -> Vec<Letter> { ids.iter().map(|id| letter(id, "", &[])).collect() };
        assert_eq!(shown_length(&of(&["11111111-1", "22222222-1"])), 8);
        assert_eq!(shown_length(&of(&["11111111-1", "11111111-2"])), 10);
        assert_eq!(shown_length(&[]), 0);
    }

    #[test]
    fn a_terminal_is_not_commanded_by_a_message() {
        assert_eq!(printable("é\u{1b}[31m\u{9b}x\u{202e}\n"), "é\\u{1b}[31m\\u{9b}x\\u{202e}\\u{a}");
    }
}

//! All that is wrong with a profile at once, for who is writing it.

use serde_json::Value;

use super::CountryProfile;
use super::read::{Problem, ProfileError, drop_nulls, field_problems, is_known};

impl CountryProfile {
    /// Everything that is wrong with a profile's text; nothing: [`from_json`](Self::from_json) takes it.
    pub fn problems(text: &str) -> Vec<ProfileError> {
        let mut value = match serde_json::from_str::<Value>(text) {
            Ok(value) => value,
            Err(error) => return vec![Problem::new("json", error.to_string()).of(&Value::Null)],
        };
        drop_nulls(&mut value);
        let fields = value.as_object().map(|profile| field_problems(profile).collect::<Vec<_>>());
        let mut found: Vec<ProfileError> =
            fields.unwrap_or_default().into_iter().map(|problem| problem.of(&value)).collect();
        // What needs more than one look at one field: version, country, prefixes.
        if let Err(first) = Self::from_value(value)
            && found.iter().all(|known| known.field != first.field)
        {
            found.insert(0, first);
        }
        found
    }

    /// The fields of a profile's text that mean nothing; most often a word is misspelt.
    pub fn unknown_fields(text: &str) -> Vec<String> {
        let Ok(Value::Object(profile)) = serde_json::from_str::<Value>(text) else { return Vec::new() };
        let mut names = Vec::new();
        for (name, value) in &profile {
            match value {
                Value::Object(section) if is_known(name) => {
                    names.extend(section.keys().map(|field| format!("{name}.{field}")));
                }
                _ => names.push(name.clone()),
            }
        }
        names.retain(|name| !is_known(name));
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let text = r#"{"v":1,"country":"br","livekit":{"url":"ftp://x","trunkId":"ST_1"},"agent":{"temperature":3}}"#;
        let fields: Vec<String> =
            CountryProfile::problems(text).into_iter().map(|problem| problem.field).collect();
        assert_eq!(
            fields,
            ["country", "livekit.url", "livekit.callerId", "agent.voice", "agent.temperature"]
        );
        assert_eq!(CountryProfile::problems("{").len(), 1);
    }

    #[test]
    fn a_good_profile_has_no_problem_and_a_misspelt_field_is_noticed() {
        let text = r#"{"country":"BR","livekit":{"url":"wss://x.example","trunkId":"ST_1","callerId":"+551130000000",
            "region":"sa"},"agent":{"voice":"Ana"},"dial":{"ringSecond":20},"comment":"ours"}"#;
        assert_eq!(CountryProfile::problems(text), []);
        assert_eq!(CountryProfile::unknown_fields(text), ["comment", "dial.ringSecond", "livekit.region"]);
    }
}

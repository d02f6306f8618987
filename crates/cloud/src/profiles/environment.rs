//! Profiles from variables: a few for each country, a few for all.

use std::collections::BTreeSet;

use calls::profile::{CountryProfile, ProfileError, Profiles};
use serde_json::{Value, json};

use super::{Credentials, Loaded, Problem, Variables};

/// What names a country: any of these with `_<CC>` behind.
const BY_COUNTRY: &[&str] = &[
    "LIVEKIT_URL",
    "LIVEKIT_WSS_URL",
    "LIVEKIT_API_KEY",
    "LIVEKIT_API_SECRET",
    "SIP_TRUNK_ID",
    "SIP_FROM_NUMBER",
    "PREFIXES",
];

/// What all countries share, besides the fields of their profiles.
const SHARED: &[&str] = &["ULTRAVOX_API_KEY", "SAMPLE_RATE", "CHANNELS", "FRAME_MS"];

/// Does a variable of this name say anything about profiles or credentials?
pub fn is_read(name: &str) -> bool {
    let of_country = |(base, country): (&str, &str)| {
        is_country(country) && (BY_COUNTRY.contains(&base) || base == "ULTRAVOX_API_KEY")
    };
    let of_all = FIELDS.iter().any(|field| !field.by_country && field.variable == name);
    of_all || SHARED.contains(&name) || name.rsplit_once('_').is_some_and(of_country)
}

fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// A field of a profile, the variable that it comes from, what it is, and a value that it could have.
struct Field {
    /// As a [`ProfileError`] names it.
    name: &'static str,
    pointer: &'static str,
    variable: &'static str,
    meaning: &'static str,
    example: &'static str,
    by_country: bool,
    required: bool,
}

const FIELDS: &[Field] = &[
    Field {
        name: "livekit.url",
        pointer: "/livekit/url",
        variable: "LIVEKIT_URL",
        meaning: "where the country's LiveKit is, such as wss://livekit.example",
        example: "wss://livekit.example",
        by_country: true,
        required: true,
    },
    Field {
        name: "livekit.trunkId",
        pointer: "/livekit/trunkId",
        variable: "SIP_TRUNK_ID",
        meaning: "LiveKit's id of the outbound trunk, ST_…",
        example: "ST_example",
        by_country: true,
        required: true,
    },
    Field {
        name: "livekit.callerId",
        pointer: "/livekit/callerId",
        variable: "SIP_FROM_NUMBER",
        meaning: "the number that the callee sees, E.164",
        example: "+551130000000",
        by_country: true,
        required: true,
    },
    Field {
        name: "agent.voice",
        pointer: "/agent/voice",
        variable: "ULTRAVOX_VOICE",
        meaning: "the name or id of an Ultravox voice",
        example: "voice",
        by_country: false,
        required: true,
    },
    Field {
        name: "agent.callsUrl",
        pointer: "/agent/callsUrl",
        variable: "ULTRAVOX_CALLS_URL",
        meaning: "where agent calls are created",
        example: "https://agent.example/api/calls",
        by_country: false,
        required: false,
    },
];

/// Puts profiles together from variables. A country exists as soon as one of its variables is set; what
/// is missing or wrong is all told at once, and harms the country whose it is.
///
/// For each `<CC>`: `LIVEKIT_URL_<CC>` (or `LIVEKIT_WSS_URL_<CC>`), `SIP_TRUNK_ID_<CC>`,
/// `SIP_FROM_NUMBER_<CC>`, optional `PREFIXES_<CC>` (commas or spaces between), and what
/// [`Credentials::from_environment`] reads. For all: `ULTRAVOX_VOICE`, optional `ULTRAVOX_CALLS_URL`,
/// `SAMPLE_RATE`; `CHANNELS` may only be 1 and `FRAME_MS` only 20.
pub fn from_environment(variables: &Variables) -> Loaded {
    let mut problems = shared_problems(variables);
    let countries = countries(variables);
    if countries.is_empty() {
        problems.push(Problem::of_all(
            "no country is configured: set LIVEKIT_URL_<CC>, LIVEKIT_API_KEY_<CC>, LIVEKIT_API_SECRET_<CC>, \
             SIP_TRUNK_ID_<CC> and SIP_FROM_NUMBER_<CC> (<CC> is a country, such as BR), ULTRAVOX_API_KEY and \
             ULTRAVOX_VOICE; or name a directory of profiles (--profiles) and set the keys and the secret",
        ));
    }
    let mut read = Vec::new();
    for country in &countries {
        problems.extend(Credentials::from_environment(country, variables).err().unwrap_or_default());
        let profile = profile_of(country, variables);
        problems.extend(field_problems(country, &profile, variables));
        read.push(CountryProfile::from_value(profile));
    }
    // What every country lacks is said once.
    let mut seen = BTreeSet::new();
    problems.retain(|problem| seen.insert(problem.sentence.clone()));
    match Profiles::new(read) {
        Ok(profiles) => Loaded { profiles: Ok(profiles), problems },
        Err(error) => {
            let sentence = format!("{error} (set PREFIXES_<CC>)");
            problems.push(Problem::of_all(&sentence));
            Loaded { profiles: Err(sentence), problems }
        }
    }
}

fn countries(variables: &Variables) -> BTreeSet<String> {
    let named = variables.names().filter_map(|name| {
        let (kind, country) = name.rsplit_once('_')?;
        BY_COUNTRY.contains(&kind).then_some(country)
    });
    named.filter(|country| is_country(country)).map(str::to_owned).collect()
}

fn shared_problems(variables: &Variables) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, only, why) in
        [("CHANNELS", "1", "a phone has one channel"), ("FRAME_MS", "20", "sound goes in frames of 20 ms")]
    {
        if let Some(value) = variables.get(name).filter(|value| *value != only) {
            problems.push(Problem::of_all(format!(
                "{name} is {value}, but {why}: set it to {only} or not at all"
            )));
        }
    }
    if sample_rate(variables).is_err() {
        problems.push(Problem::of_all(
            "SAMPLE_RATE must be 8000, 16000, 24000 or 48000 (Hz): set one of these, or nothing for 16000",
        ));
    }
    problems
}

fn sample_rate(variables: &Variables) -> Result<Option<u32>, ()> {
    let Some(text) = variables.get("SAMPLE_RATE") else { return Ok(None) };
    match text.parse() {
        Ok(rate @ (8_000 | 16_000 | 24_000 | 48_000)) => Ok(Some(rate)),
        _ => Err(()),
    }
}

/// The variable's value, if it is set. The URL has two names.
fn value_of<'a>(field: &Field, country: &str, variables: &'a Variables) -> Option<&'a str> {
    if !field.by_country {
        return variables.get(field.variable);
    }
    let own = |name: &str| variables.get(&format!("{name}_{country}"));
    own(field.variable)
        .or_else(|| if field.variable == "LIVEKIT_URL" { own("LIVEKIT_WSS_URL") } else { None })
}

/// The profile as the contract's JSON; what is not set is not there.
fn profile_of(country: &str, variables: &Variables) -> Value {
    let mut profile = json!({ "v": 1, "country": country, "livekit": {}, "agent": {} });
    for field in FIELDS {
        if let Some(value) = value_of(field, country, variables) {
            set(&mut profile, field.pointer, value.into());
        }
    }
    if let Some(text) = variables.get(&format!("PREFIXES_{country}")) {
        let prefixes: Vec<&str> = text.split([',', ' ', ';']).filter(|part| !part.is_empty()).collect();
        profile["prefixes"] = prefixes.into();
    }
    if let Ok(Some(rate)) = sample_rate(variables) {
        profile["agent"]["sampleRate"] = rate.into();
    }
    profile
}

/// Everything that is wrong with a profile. The core names the first wrong field only; so each one found
/// is mended in a copy, which is thrown away, and the copy is looked at again.
fn field_problems(country: &str, profile: &Value, variables: &Variables) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut copy = profile.clone();
    while let Err(error) = CountryProfile::from_value(copy.clone()) {
        let Some(field) = FIELDS.iter().find(|field| field.name == error.field) else {
            problems.push(of_another_field(country, &error));
            if error.field != "prefixes" || copy.get("prefixes") == Some(&json!(["+1"])) {
                break;
            }
            copy["prefixes"] = json!(["+1"]);
            continue;
        };
        if copy.pointer(field.pointer) == Some(&Value::from(field.example)) {
            break;
        }
        let name = if field.by_country {
            format!("{}_{country}", field.variable)
        } else {
            field.variable.to_owned()
        };
        let is_set = value_of(field, country, variables).is_some();
        let sentence = match (is_set, field.required) {
            (false, true) => format!("{name} is not set: {}", field.meaning),
            _ => format!("{name} {}: {}", error.detail, field.meaning),
        };
        problems.push(Problem::of(country, sentence));
        set(&mut copy, field.pointer, field.example.into());
    }
    problems
}

fn of_another_field(country: &str, error: &ProfileError) -> Problem {
    let name = match error.field.as_str() {
        "prefixes" => format!("PREFIXES_{country}"),
        other => other.to_owned(),
    };
    Problem::of(country, format!("{name} {}", error.detail))
}

fn set(profile: &mut Value, pointer: &str, value: Value) {
    let Some((section, name)) = pointer.trim_start_matches('/').split_once('/') else { return };
    profile[section][name] = value;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_that_nobody_reads_is_known_as_such() {
        for read in [
            "LIVEKIT_URL_BR",
            "ULTRAVOX_API_KEY",
            "ULTRAVOX_API_KEY_CL",
            "ULTRAVOX_VOICE",
            "SAMPLE_RATE",
            "PREFIXES_US",
        ] {
            assert!(is_read(read), "{read}");
        }
        for not in ["LIVEKIT_URL", "ULTRAVOX_VOICE_BR", "SQS_QUEUE_NAME", "SAMPLE_RATE_BR", "PREFIXES_us"] {
            assert!(!is_read(not), "{not}");
        }
    }
}

#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;
use crate::phone::PhoneNumber;

/// A profile with the least that must be there.
fn least(country: &str) -> Value {
    json!({
        "v": 1, "country": country, "agent": {"voice": "Ana"},
        "livekit": {"url": "wss://lk.example", "trunkId": "ST_1", "callerId": "+551130000000"},
    })
}

fn with(mut profile: Value, pointer: &str, value: Value) -> Value {
    match pointer.rsplit_once('/') {
        Some(("", name)) => profile[name] = value,
        Some((section, name)) => profile[&section[1..]][name] = value,
        None => panic!("a pointer begins with a slash"),
    }
    profile
}

fn read(value: &Value) -> Result<CountryProfile, ProfileError> {
    CountryProfile::from_json(&value.to_string())
}

fn prefixed(country: &str, prefixes: &[&str]) -> Result<CountryProfile, ProfileError> {
    read(&with(least(country), "/prefixes", json!(prefixes)))
}

fn number(text: &str) -> PhoneNumber {
    PhoneNumber::parse(text).unwrap()
}

fn country_of<'a>(profiles: &'a Profiles, text: &str) -> Option<&'a str> {
    match profiles.lookup(&number(text)) {
        Found::Profile(profile) => Some(&profile.country),
        Found::Broken(_) => Some("broken"),
        Found::None => None,
    }
}

#[test]
fn the_least_profile_gets_the_documented_defaults() {
    let profile = read(&least("BR")).unwrap();
    assert_eq!(profile.prefixes, ["+55"]);
    assert!(profile.enabled && !profile.record);
    assert_eq!(
        profile.dial,
        DialProfile { ring_seconds: 30, max_call_seconds: 900, retry_trunk_errors: false }
    );
    let agent = &profile.agent;
    assert_eq!((agent.temperature, agent.greeting_delay_seconds, agent.sample_rate), (0.3, 2.5, 16_000));
    assert_eq!(
        (agent.first_speaker, agent.calls_url.as_str()),
        (FirstSpeaker::Callee, "https://api.ultravox.ai/api/calls")
    );
    assert!(agent.voicemail_guard && agent.hang_up_tool && agent.digits_tool && agent.record_by_agent);
    assert!(profile.transfer.targets.is_empty(), "nobody is passed on to anybody");
    assert_eq!(agent.silence_seconds, 30);
}

#[test]
fn null_is_absent_and_what_we_do_not_know_is_ignored() {
    let mut profile = with(least("CL"), "/dial", Value::Null);
    profile = with(profile, "/agent/temperature", Value::Null);
    profile = with(profile, "/agent/model", Value::Null);
    profile = with(profile, "/later", json!({"x": 1}));
    profile = with(profile, "/v", Value::Null);
    let profile = read(&profile).unwrap();
    assert_eq!((profile.prefixes, profile.agent.temperature), (vec!["+56".to_owned()], 0.3));
}

#[test]
fn a_wrong_field_is_named_with_its_country() {
    let missing = |pointer: &str| with(least("BR"), pointer, Value::Null);
    let wrong = |pointer: &str, value: Value| with(least("BR"), pointer, value);
    let cases = [
        ("v", wrong("/v", json!(2))),
        ("v", wrong("/v", json!("1"))),
        ("livekit.url", missing("/livekit")),
        ("livekit", wrong("/livekit", json!("wss://lk.example"))),
        ("livekit.url", missing("/livekit/url")),
        ("livekit.url", wrong("/livekit/url", json!("lk.example"))),
        ("livekit.url", wrong("/livekit/url", json!("ftp://lk.example"))),
        ("livekit.url", wrong("/livekit/url", json!("wss://"))),
        ("livekit.trunkId", missing("/livekit/trunkId")),
        ("livekit.trunkId", wrong("/livekit/trunkId", json!(" "))),
        ("livekit.callerId", missing("/livekit/callerId")),
        ("livekit.callerId", wrong("/livekit/callerId", json!("11 3000-0000"))),
        ("livekit.callerId", wrong("/livekit/callerId", json!("+55 11 30000000"))),
        ("livekit.krisp", wrong("/livekit/krisp", json!("yes"))),
        ("prefixes", wrong("/prefixes", json!("+55"))),
        ("prefixes", wrong("/prefixes", json!(["55"]))),
        ("prefixes", wrong("/prefixes", json!(["+0"]))),
        ("prefixes", wrong("/prefixes", json!(["+"]))),
        ("dial.ringSeconds", wrong("/dial", json!({"ringSeconds": 0}))),
        ("dial.ringSeconds", wrong("/dial", json!({"ringSeconds": 61}))),
        ("dial.ringSeconds", wrong("/dial", json!({"ringSeconds": 30.5}))),
        ("dial.maxCallSeconds", wrong("/dial", json!({"maxCallSeconds": -1}))),
        ("dial.maxCallSeconds", wrong("/dial", json!({"maxCallSeconds": 86_401}))),
        ("agent.voice", missing("/agent/voice")),
        ("agent.provider", wrong("/agent/provider", json!("other"))),
        ("agent.callsUrl", wrong("/agent/callsUrl", json!("wss://api.example"))),
        ("agent.temperature", wrong("/agent/temperature", json!(1.1))),
        ("agent.greetingDelaySeconds", wrong("/agent/greetingDelaySeconds", json!(-0.1))),
        ("agent.silenceSeconds", wrong("/agent/silenceSeconds", json!(-1))),
        ("agent.silenceSeconds", wrong("/agent/silenceSeconds", json!(0.5))),
        ("agent.sampleRate", wrong("/agent/sampleRate", json!(44_100))),
        ("agent.digitsTool", wrong("/agent/digitsTool", json!("no"))),
        ("transfer", wrong("/transfer", json!(["+551130000001"]))),
        ("transfer.targets", wrong("/transfer", json!({"targets": ["+551130000001"]}))),
        ("transfer.targets", wrong("/transfer", json!({"targets": {"sales": "11 3000-0001"}}))),
        ("transfer.targets", wrong("/transfer", json!({"targets": {"+551130000001": "+551130000001"}}))),
        ("transfer.ringSeconds", wrong("/transfer", json!({"ringSeconds": 31}))),
        ("agent.firstSpeaker", wrong("/agent/firstSpeaker", json!("dog"))),
    ];
    for (field, profile) in cases {
        let error = read(&profile).unwrap_err();
        assert_eq!((error.field.as_str(), error.country.as_deref()), (field, Some("BR")), "{profile}");
        assert!(error.to_string().starts_with(&format!("profile BR: {field}: ")), "{error}");
    }
    for country in [json!(null), json!("br"), json!("BRA"), json!(55)] {
        assert_eq!(read(&with(least("BR"), "/country", country)).unwrap_err().field, "country");
    }
    assert_eq!(read(&with(least("ZZ"), "/x", json!(1))).unwrap_err().field, "prefixes");
    let no_json = CountryProfile::from_json("{\"v\":1").unwrap_err().found_under("CL");
    assert_eq!((no_json.field.as_str(), no_json.country.as_deref()), ("json", Some("CL")));
    assert_eq!(CountryProfile::from_json("[]").unwrap_err().field, "json");
}

#[test]
fn a_number_finds_its_country_and_an_unknown_prefix_finds_none() {
    let profiles = Profiles::new([read(&least("BR")), read(&least("CL"))]).unwrap();
    assert_eq!(country_of(&profiles, "+5511912345678"), Some("BR"));
    assert_eq!(country_of(&profiles, "+56912345678"), Some("CL"));
    assert_eq!(country_of(&profiles, "+12025550123"), None);
}

#[test]
fn the_longest_prefix_wins() {
    let profiles = Profiles::new([prefixed("US", &["+1"]), prefixed("CA", &["+1204", "+1416"])]).unwrap();
    assert_eq!(country_of(&profiles, "+12025550123"), Some("US"));
    assert_eq!(country_of(&profiles, "+12045550123"), Some("CA"));
}

#[test]
fn two_that_claim_one_prefix_are_named_both() {
    let error = Profiles::new([read(&least("US")), read(&least("CA"))]).unwrap_err();
    let told = error.to_string();
    assert!(told.contains("US") && told.contains("CA") && told.contains("+1"), "{told}");
    let twice = Profiles::new([read(&least("BR")), prefixed("BR", &["+5521"])]).unwrap_err();
    assert_eq!(twice, ProfilesError::SameCountry { country: "BR".to_owned() });
    assert!(Profiles::new([prefixed("BR", &["+55", "+55"])]).is_ok());
}

#[test]
fn a_disabled_profile_matches_nothing_and_clashes_with_nobody() {
    let off = |country| read(&with(least(country), "/enabled", json!(false)));
    let profiles = Profiles::new([off("US"), read(&least("CA")), off("BR")]).unwrap();
    assert_eq!(country_of(&profiles, "+12025550123"), Some("CA"));
    assert_eq!(country_of(&profiles, "+5511912345678"), None);
    let broken_and_off = with(with(least("BR"), "/enabled", json!(false)), "/agent", json!({}));
    let profiles = Profiles::new([read(&broken_and_off)]).unwrap();
    assert_eq!(country_of(&profiles, "+5511912345678"), None);
    assert_eq!(profiles.broken().len(), 1);
}

#[test]
fn a_broken_profile_harms_its_own_country_only() {
    let broken = |country| read(&with(least(country), "/agent/voice", Value::Null));
    let profiles =
        Profiles::new([broken("BR"), read(&least("CL")), prefixed("US", &["+1"]), broken("CA")]).unwrap();
    assert_eq!(country_of(&profiles, "+5511912345678"), Some("broken"));
    assert_eq!(country_of(&profiles, "+56912345678"), Some("CL"));
    // +1 is the United States' by its own word, but a Canadian number is never dialed from there.
    assert_eq!(country_of(&profiles, "+12025550123"), Some("US"));
    assert_eq!(country_of(&profiles, "+12042345678"), Some("broken"));
    assert_eq!(country_of(&profiles, "+4930123456"), None);
    let named = read(&with(with(least("CA"), "/prefixes", json!(["+1204"])), "/v", json!(2)));
    let profiles = Profiles::new([prefixed("US", &["+1"]), named]).unwrap();
    assert_eq!(country_of(&profiles, "+12045550123"), Some("broken"));
    assert_eq!(country_of(&profiles, "+14165550123"), Some("US"));
    // One that names another's very prefix takes nothing from the one that works.
    let same = read(&with(with(least("CA"), "/prefixes", json!(["+1"])), "/v", json!(2)));
    let profiles = Profiles::new([prefixed("US", &["+1"]), same]).unwrap();
    assert_eq!(country_of(&profiles, "+12025550123"), Some("US"));
}

#[test]
fn a_profile_survives_the_job_file() {
    let profile = read(&with(least("BR"), "/agent/languageHint", json!("pt-BR"))).unwrap();
    let stored = serde_json::to_string(&profile).unwrap();
    assert_eq!(CountryProfile::from_json(&stored).unwrap(), profile);
}

#[test]
fn whom_a_call_may_be_passed_on_to_survives_the_job_file_and_shows_itself_to_nobody() {
    let targets = json!({"targets": {"sales": "+551130000001", "desk": "sip:551130000002@pbx.example"}});
    let profile = read(&with(least("BR"), "/transfer", targets)).unwrap();
    assert_eq!(profile.transfer.ring_seconds, 25);
    let stored = serde_json::to_string(&profile).unwrap();
    assert_eq!(CountryProfile::from_json(&stored).unwrap(), profile);
    let shown = format!("{profile:?}");
    assert!(!shown.contains("551130000001") && !shown.contains("551130000002"), "{shown}");
    let alone = serde_json::to_string(&read(&least("BR")).unwrap()).unwrap();
    assert!(!alone.contains("transfer"), "a profile without targets reads as before: {alone}");
}

//! Profiles and credentials from variables and from files.
#![allow(clippy::unwrap_used)]

use calls::profile::Found;
use cloud::profiles::{Credentials, Loaded, Variables, from_directory, from_environment};

/// Everything that one country needs.
fn complete(country: &str) -> Vec<(String, String)> {
    let own = |name: &str, value: &str| (format!("{name}_{country}"), value.to_owned());
    vec![
        own("LIVEKIT_URL", "wss://livekit.example"),
        own("LIVEKIT_API_KEY", "key"),
        own("LIVEKIT_API_SECRET", "secret"),
        own("SIP_TRUNK_ID", "ST_1"),
        own("SIP_FROM_NUMBER", "+551130000000"),
        ("ULTRAVOX_API_KEY".to_owned(), "agent-key".to_owned()),
        ("ULTRAVOX_VOICE".to_owned(), "Mark".to_owned()),
    ]
}

fn with(country: &str, changes: &[(&str, &str)]) -> Variables {
    let changes = changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    complete(country).into_iter().chain(changes).collect()
}

fn sentences(loaded: &Loaded) -> Vec<&str> {
    loaded.problems.iter().map(|problem| problem.sentence.as_str()).collect()
}

#[test]
fn a_complete_country_is_a_profile_with_its_calling_code() {
    let variables = with("BR", &[("CHANNELS", "1"), ("FRAME_MS", "20"), ("SAMPLE_RATE", "48000")]);
    let loaded = from_environment(&variables);
    assert_eq!(sentences(&loaded), [""; 0]);
    let profile = loaded.profiles.as_ref().unwrap().of_country("BR").unwrap();
    assert_eq!(profile.prefixes, ["+55"]);
    assert_eq!((profile.agent.sample_rate, profile.agent.voice.as_str()), (48_000, "Mark"));
    assert_eq!(profile.livekit.url, "wss://livekit.example");
    let number = "+5511912345678".parse().unwrap();
    assert!(
        matches!(loaded.profiles.as_ref().unwrap().lookup(&number), Found::Profile(found) if found.country == "BR")
    );
}

#[test]
fn the_url_has_two_names_and_prefixes_can_be_named() {
    let variables = with(
        "US",
        &[
            ("LIVEKIT_URL_US", " "),
            ("LIVEKIT_WSS_URL_US", "wss://other.example"),
            ("PREFIXES_US", "+1212, +1646"),
            ("ULTRAVOX_CALLS_URL", "http://127.0.0.1:9/api/calls"),
        ],
    );
    let loaded = from_environment(&variables);
    assert_eq!(sentences(&loaded), [""; 0]);
    let profile = loaded.profiles.as_ref().unwrap().of_country("US").unwrap();
    assert_eq!(profile.livekit.url, "wss://other.example");
    assert_eq!(profile.prefixes, ["+1212", "+1646"]);
    assert_eq!(profile.agent.calls_url, "http://127.0.0.1:9/api/calls");
}

#[test]
fn everything_that_is_missing_or_wrong_is_told_at_once() {
    let variables: Variables = [
        ("LIVEKIT_URL_BR", "ftp://livekit.example"),
        ("SIP_FROM_NUMBER_BR", "11 3000"),
        ("PREFIXES_BR", "55"),
        ("CHANNELS", "2"),
        ("FRAME_MS", "10"),
        ("SAMPLE_RATE", "44100"),
        ("ULTRAVOX_CALLS_URL", "nowhere"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into_iter()
    .collect();
    let loaded = from_environment(&variables);
    let told = sentences(&loaded);
    for name in [
        "LIVEKIT_URL_BR must be",
        "LIVEKIT_API_KEY_BR is not set",
        "LIVEKIT_API_SECRET_BR is not set",
        "SIP_TRUNK_ID_BR is not set",
        "SIP_FROM_NUMBER_BR must be",
        "PREFIXES_BR must be",
        "ULTRAVOX_API_KEY (or ULTRAVOX_API_KEY_BR) is not set",
        "ULTRAVOX_VOICE is not set",
        "ULTRAVOX_CALLS_URL must be",
        "CHANNELS is 2",
        "FRAME_MS is 10",
        "SAMPLE_RATE must be",
    ] {
        assert_eq!(told.iter().filter(|told| told.starts_with(name)).count(), 1, "{name} in {told:#?}");
    }
    assert_eq!(told.len(), 12, "{told:#?}");
    assert_eq!(loaded.profiles.as_ref().unwrap().usable(), []);
}

#[test]
fn a_broken_country_harms_itself_only() {
    let mut variables = complete("BR");
    variables.push(("SIP_TRUNK_ID_CL".to_owned(), "ST_2".to_owned()));
    let loaded = from_environment(&variables.into_iter().collect());
    assert_eq!(loaded.problems_of("BR"), [] as [&cloud::profiles::Problem; 0]);
    assert!(!loaded.problems_of("CL").is_empty());
    let chilean = "+56221234567".parse().unwrap();
    assert!(
        matches!(loaded.profiles.as_ref().unwrap().lookup(&chilean), Found::Broken(_)),
        "try again, not: no such country"
    );
}

#[test]
fn two_countries_that_claim_one_prefix_refuse_no_number() {
    let prefixes =
        [("PREFIXES_BR", "+55"), ("PREFIXES_CL", "+55")].map(|(n, v)| (n.to_owned(), v.to_owned()));
    let variables = [complete("BR"), complete("CL"), prefixes.to_vec()].concat();
    let loaded = from_environment(&variables.into_iter().collect());
    assert!(loaded.problems_of("BR").iter().any(|problem| problem.sentence.contains("both claim +55")));
    assert!(loaded.profiles.unwrap_err().contains("both claim +55"));
}

#[test]
fn no_country_at_all_says_what_to_set() {
    let loaded = from_environment(&Variables::default());
    assert_eq!(loaded.problems.len(), 1);
    assert!(loaded.problems[0].sentence.contains("LIVEKIT_URL_<CC>"));
}

#[test]
fn a_countrys_own_agent_key_wins_and_nothing_is_borrowed_from_another_country() {
    let variables = with("BR", &[("ULTRAVOX_API_KEY_BR", "own")]);
    let credentials = Credentials::from_environment("BR", &variables).unwrap();
    assert_eq!(credentials.agent_api_key.expose(), "own");
    assert_eq!(credentials.livekit_api_secret.expose(), "secret");
    let missing = Credentials::from_environment("CL", &variables).unwrap_err();
    assert_eq!(missing.len(), 2, "{missing:?}");
    let shown = format!("{credentials:?} {variables:?}");
    assert!(!shown.contains("own\"") && !shown.contains("secret\""), "{shown}");
}

#[test]
fn profiles_from_files_name_the_file_and_the_field() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    let good = r#"{"v":1,"country":"BR","livekit":{"url":"wss://a.example","trunkId":"ST_1","callerId":"+551130000000"},"agent":{"voice":"V"}}"#;
    write("br.json", good);
    write(
        "cl.json",
        r#"{"v":1,"country":"CL","livekit":{"url":"wss://a.example","trunkId":"ST_1","callerId":"+56220000000"},"agent":{}}"#,
    );
    write("ar.json", "{");
    write("notes.txt", "not a profile");
    let loaded = from_directory(folder.path());
    assert_eq!(loaded.profiles.as_ref().unwrap().usable().len(), 1);
    assert_eq!(loaded.problems.len(), 2, "{:?}", loaded.problems);
    assert!(loaded.problems_of("CL")[0].sentence.contains("cl.json: agent.voice"));
    assert!(loaded.problems_of("AR")[0].sentence.contains("ar.json"));
    assert_eq!(loaded.problems_of("BR").len(), 0);

    write("br2.json", good);
    let twice = from_directory(folder.path());
    assert!(twice.problems.iter().any(|problem| problem.sentence.contains("two profiles for BR")));
    assert!(twice.profiles.unwrap_err().contains("two profiles for BR"), "try again, not: no such country");
}

#[test]
fn an_empty_or_absent_directory_is_a_problem() {
    let folder = tempfile::tempdir().unwrap();
    assert!(from_directory(folder.path()).problems[0].sentence.contains("no profile"));
    let absent = from_directory(&folder.path().join("absent"));
    assert!(absent.problems[0].sentence.contains("cannot be read"));
    assert!(absent.profiles.is_err());
}

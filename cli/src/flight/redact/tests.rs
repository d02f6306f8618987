#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;

const KEY: &str = "0123456789abcdef0123456789abcdef";

fn flight_of(files: &[(&str, String)]) -> Flight {
    let files: BTreeMap<String, Bytes> =
        files.iter().map(|(name, text)| ((*name).to_owned(), Bytes::from(text.clone()))).collect();
    Flight::of(KEY.to_owned(), files).unwrap()
}

fn redacted(text: &str, words: Words) -> String {
    let flight = flight_of(&[("message.json", text.to_owned())]);
    let redaction = Redaction::with("secret", &flight);
    String::from_utf8(redaction.file(&flight.files["message.json"], words)).unwrap()
}

/// The longest run of digits, whatever of the usual stands between them.
fn longest_run(text: &str) -> usize {
    let (mut longest, mut run, mut between) = (0, 0, 0);
    for c in text.chars() {
        if c.is_numeric() {
            run += 1;
            between = 0;
            longest = longest.max(run);
        } else if BETWEEN.contains(&c) && between < 1 {
            between += 1;
        } else {
            run = 0;
        }
    }
    longest
}

#[test]
fn a_number_is_hidden_however_it_is_written_and_is_the_same_everywhere() {
    let body = json!({ "id": "call 5511987654321", "metadata": { "phoneNumbers": [{ "number": "+55 11 98765-4321" }] } });
    let message = json!({
        "v": 1, "since": "2026-07-21T12:00:01.123456789Z", "body": body.to_string(), "number": 5_511_987_654_321_u64,
        "text": "ligue para (11) 98765.4321, obrigado", "masked": "+5511•••••4321", "code": 486, "seconds": 0.304_101_302,
    });
    let shown = redacted(&message.to_string(), Words::Kept);
    let value: Value = serde_json::from_str(&shown).unwrap();
    let number = value["masked"].as_str().unwrap();
    assert!(number.starts_with('[') && number.len() == 12, "{number}");
    assert_eq!(value["number"], number);
    let body: Value = serde_json::from_str(value["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["metadata"]["phoneNumbers"][0]["number"], number);
    assert!(body["id"].as_str().is_some_and(|id| !id.contains("call")), "{body}");
    assert_eq!(value["since"], "2026-07-21T12:00:01.123Z");
    assert_eq!((&value["code"], &value["seconds"]), (&json!(486), &json!(0.304)));
    assert!(value["text"].as_str().unwrap().starts_with("ligue para (["), "{shown}");
}

#[test]
fn ids_and_the_key_are_hidden_wherever_they_stand() {
    let fact = r#"{"v":1,"at":"2026-07-21T12:00:01Z","fact":"job-taken","country":"BR","to":null,"room":"call-01234567-a1-6aebad"}"#;
    let created = r#"{"v":1,"at":"2026-07-21T12:00:02Z","fact":"agent-create-failed","detail":"customer-4711 of Ana Souza"}"#;
    let job =
        json!({ "v": 1, "plan": { "tracking": { "customerId": "customer-4711", "fullName": "Ana Souza" } } });
    let facts = "a1/facts/6aebad-0001.jsonl";
    let flight = flight_of(&[("a1/job.json", job.to_string()), (facts, format!("{fact}\n{created}\n"))]);
    let redaction = Redaction::with("secret", &flight);
    let text = String::from_utf8(redaction.file(&flight.files[facts], Words::Kept)).unwrap();
    assert!(!text.contains("01234567") && !text.contains("4711") && !text.contains("Souza"), "{text}");
    assert!(text.contains(&format!("call-{}-a1-6aebad", &redaction.key()[..8])), "{text}");
    assert_eq!(text.lines().count(), 2);
    let job: Value =
        serde_json::from_slice(&redaction.file(&flight.files["a1/job.json"], Words::Kept)).unwrap();
    assert!(text.contains(job["plan"]["tracking"]["customerId"].as_str().unwrap()), "{text} {job}");
    assert!(redaction.key().parse::<calls::ids::CallKey>().is_ok(), "{}", redaction.key());
    // Facts are still facts.
    let files = BTreeMap::from([(facts.to_owned(), Bytes::from(text))]);
    let again = Flight::of(redaction.key().to_owned(), files).unwrap();
    assert_eq!((again.attempts[0].facts.len(), again.not_understood), (2, 0));
}

#[test]
fn of_a_message_only_what_names_nobody_is_kept() {
    let body = json!({
        "source": "campaigns", "metadata": {
            "campaignId": "july", "patient": { "firstName": "Ana", "street": "Rua das Flores" }, "order": 0,
            "subject": { "prompt": { "text": "Confirm it." } },
        },
    });
    let shown = redacted(&json!({ "body": body.to_string() }).to_string(), Words::Kept);
    for kept in ["campaigns", "july", "Confirm it."] {
        assert!(shown.contains(kept), "{kept}: {shown}");
    }
    assert!(!shown.contains("Ana") && !shown.contains("Flores"), "{shown}");
}

#[test]
fn another_export_has_other_hashes() {
    let flight = flight_of(&[("message.json", r#"{"number":"+5511987654321"}"#.to_owned())]);
    let [first, second] = [Redaction::drawn(&flight), Redaction::drawn(&flight)];
    assert_ne!(first.text("+5511987654321"), second.text("+5511987654321"));
    assert_eq!(first.text("+5511987654321"), first.text("5511 98765 4321"));
}

#[test]
fn what_was_said_and_pressed_can_be_left_out() {
    let lines = [
        json!({ "v": 1, "at": "2026-07-21T12:00:01Z", "fact": "said", "by": "callee", "text": "I am Ana" }),
        json!({ "v": 1, "at": "2026-07-21T12:00:02Z", "fact": "dtmf", "digit": "7" }),
        json!({ "v": 1, "at": "2026-07-21T12:00:03Z", "fact": "agent-hang-up", "detail": "Goodbye Ana" }),
        json!({ "body": json!({ "metadata": { "subject": { "prompt": { "text": "Ask Ana" } } } }).to_string() }),
        json!({ "plan": { "systemPrompt": "Ask Ana", "greetingMessage": null } }),
    ];
    let text = lines.map(|line| line.to_string()).join("\n");
    let kept = redacted(&text, Words::Kept);
    assert_eq!(kept.matches("Ana").count(), 4, "{kept}");
    assert!(!kept.contains(r#""7""#), "{kept}");
    for text in [
        redacted(&text, Words::LeftOut),
        String::from_utf8(Redaction::nothing_but_words(&Bytes::from(text))).unwrap(),
    ] {
        assert!(!text.contains("Ana") && text.contains(r#""greetingMessage":null"#), "{text}");
    }
}

proptest! {
    #[test]
    fn no_run_of_eight_digits_survives(text in r#"[-+ .()0-9a-f:"{}\[\],•é\\]{0,60}"#, number in "[0-9]{8,16}", at in 0usize..40) {
        let mut said: Vec<char> = text.chars().collect();
        let at = at.min(said.len());
        said.splice(at..at, number.chars());
        let said: String = said.into_iter().collect();
        for text in [
            json!({ "text": said, said.clone(): [said], "id": number }).to_string(),
            format!("{said}\n{}", json!({ "fact": "said", "text": json!({ "inner": said }).to_string() })),
        ] {
            let shown = redacted(&text, Words::Kept);
            prop_assert!(longest_run(&shown) < 8, "{text} is shown as {shown}");
        }
    }
}

//! Any JSON: what must hold all the same. Any bytes: `tests/bad_input.rs`.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::tests::{read, with};
use super::*;

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        Just(json!("+5511912345678")),
        Just(json!("TRIGGER_CALL")),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        let names =
            prop::sample::select(vec!["number", "order", "text", "prompt", "subject", "phoneNumbers", "id"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names, inner), 0..4).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

proptest! {
    #[test]
    fn our_reader_agrees_with_serde_json_on_what_json_is(text in "[\\[\\]{}\",:\\\\0-9ue.+ -]{0,24}") {
        let strict = serde_json::from_str::<Value>(&text);
        let ours = TriggerCall::read(text.as_bytes()).map_err(|unusable| unusable.refusal.code);
        // A float that no f64 holds is JSON to us and an error to them.
        let out_of_range = strict.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
        prop_assert!(out_of_range || strict.is_err() == (ours == Err(RefusalCode::NotJson)), "{text} {ours:?} {strict:?}");
    }

    #[test]
    fn whatever_stands_in_a_field_the_answer_is_a_call_or_a_code_of_the_message(
        value in any_json(),
        place in prop::sample::select(vec!["/id", "/metadata", "/metadata/phoneNumbers", "/metadata/subject", "/metadata/callId"]),
    ) {
        match read(&with(place, value)) {
            Ok(call) => prop_assert!(!call.system_prompt.trim().is_empty()),
            Err(unusable) => {
                use RefusalCode::{BadField, InvalidPhoneNumber, MissingPrompt, NoPhoneNumbers};
                let code = unusable.refusal.code;
                prop_assert!(matches!(code, BadField | InvalidPhoneNumber | MissingPrompt | NoPhoneNumbers));
                prop_assert!(unusable.refusal.path.is_some());
            }
        }
    }
}

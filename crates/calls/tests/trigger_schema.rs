//! `docs/trigger-call.schema.json`, for senders, says what our own reader does.

#![allow(clippy::unwrap_used)]

use calls::trigger::{RefusalCode, Tracking, TriggerCall};
use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::{Value, json};

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../docs/trigger-call.schema.json")).unwrap()
}

fn validator() -> Validator {
    jsonschema::draft202012::new(&schema()).unwrap()
}

/// Does our reader take it? What a number is only libphonenumber can say: another one in its place decides.
fn is_read(message: &Value) -> bool {
    let read = |message: &Value| TriggerCall::read(message.to_string().as_bytes());
    match read(message).map_err(|unusable| unusable.refusal.code) {
        Err(RefusalCode::InvalidPhoneNumber) => {
            let mut message = message.clone();
            message["metadata"]["phoneNumbers"] = good()["metadata"]["phoneNumbers"].clone();
            read(&message).is_ok()
        }
        judged => judged.is_ok(),
    }
}

fn good() -> Value {
    schema()["examples"][0].clone()
}

/// Puts a value where a path leads, `None`: takes away what is there. A path that leads nowhere changes nothing.
fn put(message: &mut Value, path: &str, value: Option<Value>) {
    let (parent, field) = path.rsplit_once('/').unwrap();
    match (message.pointer_mut(parent), value) {
        (Some(Value::Object(parent)), Some(value)) => drop(parent.insert(field.to_owned(), value)),
        (Some(Value::Object(parent)), None) => drop(parent.remove(field)),
        (Some(Value::Array(parent)), Some(value)) => parent.push(value),
        _ => {}
    }
}

/// Every place that the schema describes, and the message itself.
fn places() -> Vec<String> {
    let schema = schema();
    let metadata = &schema["properties"]["metadata"]["properties"];
    let names = |object: &Value, at: &str| -> Vec<String> {
        object.as_object().unwrap().keys().map(|name| format!("{at}/{name}")).collect()
    };
    let deeper = [
        "/metadata/subject/prompt",
        "/metadata/subject/prompt/text",
        "/metadata/subject/prompt/greetingMessage",
        "/metadata/phoneNumbers/more",
        "/metadata/phoneNumbers/0/number",
        "/metadata/phoneNumbers/0/order",
    ];
    let mut places = names(&schema["properties"], "");
    places.extend(names(metadata, "/metadata"));
    places.extend(deeper.map(str::to_owned));
    places
}

#[test]
fn its_example_becomes_a_call() {
    assert!(validator().is_valid(&good()));
    TriggerCall::read(good().to_string().as_bytes()).unwrap();
}

#[test]
fn it_names_every_id_that_is_echoed() {
    let schema = schema();
    let Value::Object(ids) = serde_json::to_value(Tracking::default()).unwrap() else { panic!("an object") };
    for name in ids.keys() {
        let known = |properties: &Value| properties.get(name).is_some();
        assert!(
            known(&schema["properties"]) || known(&schema["properties"]["metadata"]["properties"]),
            "{name}"
        );
    }
}

/// What is dear to a sender, by name.
#[test]
fn both_judge_alike_where_it_matters() {
    let validator = validator();
    for (place, value, right) in [
        ("/messageType", json!("CALL_HISTORY"), false),
        ("/messageType", Value::Null, false),
        ("/id", json!(4711), true),
        ("/id", json!(true), false),
        ("/metadata/callId", json!(["c"]), false),
        ("/metadata/somethingElse", json!({ "is": "kept" }), true),
        ("/createdAt", json!(false), true),
        ("/metadata/subject/prompt/text", json!(" \n\t"), false),
        ("/metadata/subject/prompt/text", json!("\u{1}"), false),
        ("/metadata/subject/prompt/text", json!(7), true),
        ("/metadata/subject/prompt/text", Value::Null, false),
        ("/metadata/subject/prompt/greetingMessage", json!({}), false),
        ("/metadata/phoneNumbers", json!([]), false),
        ("/metadata/phoneNumbers", json!([{ "number": " " }, { "order": 1 }, null]), false),
        ("/metadata/phoneNumbers", json!([{ "order": "x" }, { "number": 5511912345678_u64 }]), true),
        ("/metadata/phoneNumbers", json!([{ "number": "+5511912345678", "order": " -2 " }]), true),
        ("/metadata/phoneNumbers", json!([{ "number": "+5511912345678", "order": "first" }]), false),
        ("/metadata/phoneNumbers", json!([{ "number": "+5511912345678", "order": 1.5 }]), false),
        ("/metadata/phoneNumbers", json!([{ "number": "+5511912345678", "order": null }]), true),
        ("/metadata/phoneNumbers", json!([{ "number": "+5511912345678" }, "+5511912345678"]), false),
        ("/metadata/phoneNumbers", json!({ "number": "+5511912345678" }), false),
    ] {
        let mut message = good();
        put(&mut message, place, Some(value.clone()));
        assert_eq!((validator.is_valid(&message), is_read(&message)), (right, right), "{place}: {value}");
    }
}

/// Any JSON. Not in it: U+0085 and U+FEFF, of which regular expressions hold different views; numbers with a fraction
/// of nothing, which are whole to a schema.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<i32>().prop_map(|whole| Value::from(f64::from(whole) + 0.5)),
        "[ -~\t\n\u{1}é\u{a0}\u{2028}]{0,4}".prop_map(Value::from),
        " ?[+-]?[0-9]{0,3}\n?".prop_map(Value::from),
        Just(json!("TRIGGER_CALL")),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let names = prop::sample::select(vec![
            "number",
            "order",
            "text",
            "prompt",
            "greetingMessage",
            "phoneNumbers",
        ]);
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
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn both_judge_alike_whatever_stands_where(
        changes in prop::collection::vec((prop::sample::select(places()), prop::option::of(any_json())), 1..4)
    ) {
        // Not for each case anew: it takes longer than all the rest.
        thread_local!(static VALIDATOR: Validator = validator());
        let mut message = good();
        for (place, value) in changes {
            put(&mut message, &place, value);
        }
        let valid = VALIDATOR.with(|validator| validator.is_valid(&message));
        prop_assert_eq!(valid, is_read(&message), "{}", message);
    }
}

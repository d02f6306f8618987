#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use super::*;

pub(super) fn good() -> Value {
    json!({
        "messageType": "TRIGGER_CALL", "id": "i-1", "source": "crm", "organizationId": "org", "tenantId": "ten",
        "metadata": {
            "workflowId": "w", "campaignId": 7, "customerId": "c", "userId": "u", "telephonyProvider": "twilio",
            "direction": "outbound", "callId": "call-1", "externalCustomerId": "x", "fullName": "Ana",
            "voiceId": "v", "phoneNumbers": [{"number": "+55 11 91234-5678", "order": 1}],
            "subject": {"prompt": {"text": "Be kind, {{name}}.", "greetingMessage": "Olá"}},
        },
    })
}

/// The good message with one field set; `/` parts the path.
pub(super) fn with(path: &str, value: Value) -> Value {
    let mut message = good();
    *message.pointer_mut(path).unwrap_or_else(|| panic!("no {path}")) = value;
    message
}

pub(super) fn read(message: &Value) -> Result<TriggerCall, Box<Unusable>> {
    TriggerCall::read(message.to_string().as_bytes())
}

/// Code and path of a refusal.
fn refused(message: &Value) -> (&'static str, Option<String>) {
    code_of(message.to_string().as_bytes())
}

fn code_of(bytes: &[u8]) -> (&'static str, Option<String>) {
    let refusal = TriggerCall::read(bytes).unwrap_err().refusal;
    (refusal.code.as_str(), refusal.path)
}

fn at(code: &'static str, path: &str) -> (&'static str, Option<String>) {
    (code, Some(path.to_owned()))
}

fn numbers(list: Value) -> Value {
    with("/metadata/phoneNumbers", list)
}

#[test]
fn a_whole_message_is_read() {
    let call = read(&good()).unwrap();
    assert_eq!(
        (call.to.as_e164(), call.to_path.as_str()),
        ("+5511912345678", "metadata.phoneNumbers[0].number")
    );
    assert_eq!(call.system_prompt, "Be kind, {{name}}.");
    assert_eq!(call.greeting_message.as_deref(), Some("Olá"));
    assert_eq!((call.call_id.as_deref(), call.voice_id.as_deref()), (Some("call-1"), Some("v")));
    let text = |text: &str| Some(text.to_owned());
    let expected = Tracking {
        id: text("i-1"),
        source: text("crm"),
        organization_id: text("org"),
        tenant_id: text("ten"),
        workflow_id: text("w"),
        campaign_id: text("7"),
        customer_id: text("c"),
        user_id: text("u"),
        telephony_provider: text("twilio"),
        direction: text("outbound"),
        external_customer_id: text("x"),
        full_name: text("Ana"),
    };
    assert_eq!(call.tracking, expected);
}

#[test]
fn what_is_not_one_json_object_says_so() {
    let object = good().to_string();
    let bom = [b"\xef\xbb\xbf", object.as_bytes()].concat();
    let cases: [&[u8]; 12] = [
        b"",
        b"  ",
        b"{",
        b"not json",
        &bom,
        &[object.as_bytes(), b"x"].concat(),
        &[object.as_bytes(), object.as_bytes()].concat(),
        &[object.as_bytes(), b"\0"].concat(),
        b"{\"id\":01}",
        b"{\"id\":\"a\nb\"}",
        b"{\"id\":\"\xff\"}",
        b"{'id':1}",
    ];
    for bytes in cases {
        assert_eq!(code_of(bytes), ("not_json", None), "{}", String::from_utf8_lossy(bytes));
    }
    for bytes in [&b"[]"[..], b"null", b"1", b"\"{}\"", b" true "] {
        assert_eq!(code_of(bytes), ("not_an_object", None));
    }
    assert!(TriggerCall::read(format!(" {object}\r\n").as_bytes()).is_ok(), "white space around it is JSON");
}

#[test]
fn nesting_is_read_to_128_and_no_deeper() {
    let nested = |depth: usize| {
        let mut message = good().to_string();
        message.truncate(message.len() - 1);
        // The object itself is the first level.
        format!("{message},\"deep\":{}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1))
    };
    assert!(TriggerCall::read(nested(128).as_bytes()).is_ok());
    assert_eq!(code_of(nested(129).as_bytes()), ("not_json", None));
    assert_eq!(code_of("[".repeat(1 << 20).as_bytes()), ("not_json", None));
    assert_eq!(code_of(nested(100_000).as_bytes()), ("not_json", None));
    let brackets_in_a_text = with("/metadata/fullName", json!("[{".repeat(500) + "\\\""));
    assert!(read(&brackets_in_a_text).is_ok());
}

#[test]
fn half_a_surrogate_pair_is_no_json_wherever_it_stands() {
    let with_text = |text: &str| good().to_string().replace("\"Ana\"", &format!("\"{text}\""));
    for half in [r"\ud800", r"\udc00", r"\ud83d x", r"\ud83d\n", r"\ud83d\ud83d", r"\\\ud800", r"\ud83dA"] {
        assert_eq!(code_of(with_text(half).as_bytes()).0, "not_json", "{half}");
        let unknown = with_text("Ana").replacen('{', &format!("{{\"unknown\":\"{half}\","), 1);
        assert_eq!(code_of(unknown.as_bytes()).0, "not_json", "{half}");
    }
    for (whole, text) in [(r"\ud83d\ude00", "😀"), (r"\\ud800", r"\ud800"), (r"\u00e9", "é")] {
        let call = TriggerCall::read(with_text(whole).as_bytes()).unwrap();
        assert_eq!(call.tracking.full_name.as_deref(), Some(text));
    }
}

#[test]
fn of_a_key_that_comes_twice_the_last_counts() {
    let twice =
        good().to_string().replacen("\"id\":\"i-1\"", "\"id\":true,\"id\":\"first\",\"id\":\"last\"", 1);
    assert_eq!(TriggerCall::read(twice.as_bytes()).unwrap().tracking.id.as_deref(), Some("last"));
}

#[test]
fn only_a_trigger_call_is_dialed() {
    for kind in [
        json!("CALL_HISTORY"),
        json!("trigger_call"),
        json!(" TRIGGER_CALL"),
        json!(1),
        json!(true),
        json!(null),
    ] {
        assert_eq!(refused(&with("/messageType", kind)), at("wrong_message_type", "messageType"));
    }
}

#[test]
fn a_prompt_is_needed() {
    let missing = at("missing_prompt", "metadata.subject.prompt.text");
    for text in [json!(null), json!(""), json!(" \n\t\u{a0}"), json!("\0")] {
        assert_eq!(refused(&with("/metadata/subject/prompt/text", text)), missing);
    }
    assert_eq!(refused(&with("/metadata/subject/prompt", json!({}))), missing);
    assert_eq!(refused(&with("/metadata/subject", json!(null))), missing);
    assert_eq!(refused(&with("/metadata", json!(null))), missing);
    assert_eq!(refused(&json!({"messageType": "TRIGGER_CALL"})), missing);
    assert_eq!(read(&with("/metadata/subject/prompt/text", json!(42))).unwrap().system_prompt, "42");
    let greeting = read(&with("/metadata/subject/prompt/greetingMessage", json!(" "))).unwrap();
    assert_eq!(greeting.greeting_message, None);
}

#[test]
fn texts_are_left_as_they_are() {
    let prompt = "Zeile\n\tTab \0 {{a}} “ç” 😀\r\n ".repeat(1_500);
    let call = read(&with("/metadata/subject/prompt/text", json!(prompt))).unwrap();
    assert_eq!(call.system_prompt, prompt);
}

#[test]
fn a_field_of_the_wrong_kind_is_named() {
    let list = json!([]);
    for (pointer, path) in [
        ("/id", "id"),
        ("/source", "source"),
        ("/organizationId", "organizationId"),
        ("/tenantId", "tenantId"),
        ("/metadata", "metadata"),
        ("/metadata/workflowId", "metadata.workflowId"),
        ("/metadata/callId", "metadata.callId"),
        ("/metadata/fullName", "metadata.fullName"),
        ("/metadata/voiceId", "metadata.voiceId"),
        ("/metadata/subject", "metadata.subject"),
        ("/metadata/subject/prompt", "metadata.subject.prompt"),
        ("/metadata/subject/prompt/text", "metadata.subject.prompt.text"),
        ("/metadata/subject/prompt/greetingMessage", "metadata.subject.prompt.greetingMessage"),
    ] {
        assert_eq!(refused(&with(pointer, list.clone())), at("bad_field", path));
        assert_eq!(refused(&with(pointer, json!(true))), at("bad_field", path));
    }
    assert_eq!(refused(&with("/metadata", json!("text"))), at("bad_field", "metadata"));
    assert_eq!(refused(&numbers(json!("+5511912345678"))), at("bad_field", "metadata.phoneNumbers"));
    assert_eq!(refused(&numbers(json!({}))), at("bad_field", "metadata.phoneNumbers"));
    assert_eq!(
        refused(&numbers(json!([null, "+5511912345678"]))),
        at("bad_field", "metadata.phoneNumbers[1]")
    );
    assert_eq!(
        refused(&numbers(json!([{"number": true}]))),
        at("bad_field", "metadata.phoneNumbers[0].number")
    );
}

#[test]
fn the_first_fault_in_reading_order_is_the_one_told() {
    let mut message = good();
    message["source"] = json!([]);
    message["metadata"]["phoneNumbers"] = json!([{"number": "abc"}]);
    message["metadata"]["subject"]["prompt"]["text"] = json!("");
    message["messageType"] = json!("OTHER");
    assert_eq!(refused(&message).0, "wrong_message_type");
    message["messageType"] = json!("TRIGGER_CALL");
    assert_eq!(refused(&message).0, "missing_prompt");
    message["metadata"]["subject"]["prompt"]["text"] = json!("x");
    assert_eq!(refused(&message).0, "invalid_phone_number");
    message["metadata"]["phoneNumbers"] = json!([{"number": "+5511912345678"}]);
    assert_eq!(refused(&message), at("bad_field", "source"));
}

#[test]
fn the_lowest_order_is_dialed_and_of_two_the_first() {
    let to = |list: Value| read(&numbers(list)).unwrap().to.as_e164().to_owned();
    let (a, b, c) = ("+5511911111111", "+5511922222222", "+5511933333333");
    assert_eq!(
        to(json!([{"number": a, "order": 2}, {"number": b, "order": 1}, {"number": c, "order": 1}])),
        b
    );
    assert_eq!(to(json!([{"number": a, "order": 1}, {"number": b}])), b);
    assert_eq!(to(json!([{"number": a, "order": null}, {"number": b, "order": "-1"}])), b);
    assert_eq!(to(json!([{"number": a, "order": "10"}, {"number": b, "order": "+9 "}])), b);
    assert_eq!(
        to(json!([null, {"order": 0}, {"number": null}, {"number": ""}, {"number": a, "order": 5}])),
        a
    );
    // An entry that is not dialed may hold anything.
    assert_eq!(to(json!([{"number": "abc", "order": 2}, {"number": b, "order": 1}])), b);
    let huge =
        format!("[{{\"number\":\"{a}\",\"order\":1{}}},{{\"number\":\"{b}\",\"order\":3}}]", "0".repeat(60));
    let message = good().to_string().replace("[{\"number\":\"+55 11 91234-5678\",\"order\":1}]", &huge);
    assert_eq!(TriggerCall::read(message.as_bytes()).unwrap().to.as_e164(), b);
}

#[test]
fn an_order_that_is_no_whole_number_is_a_bad_field() {
    for order in [
        json!("first"),
        json!(1.5),
        json!("1.5"),
        json!(""),
        json!("-"),
        json!("1e3"),
        json!(true),
        json!([]),
    ] {
        let list = json!([{"number": "+5511912345678"}, {"number": "+5511912345678", "order": order}]);
        assert_eq!(refused(&numbers(list)), at("bad_field", "metadata.phoneNumbers[1].order"), "{order}");
    }
}

#[test]
fn a_number_may_be_a_json_number_but_a_whole_one() {
    assert_eq!(
        read(&numbers(json!([{"number": 5_511_912_345_678_u64}]))).unwrap().to.as_e164(),
        "+5511912345678"
    );
    for text in ["5511912345678.0", "5.511912345678e12", "-5511912345678", "55119123456781234567890"] {
        let message = good().to_string().replace("\"+55 11 91234-5678\"", text);
        assert_eq!(
            code_of(message.as_bytes()),
            at("invalid_phone_number", "metadata.phoneNumbers[0].number"),
            "{text}"
        );
    }
}

#[test]
fn no_number_and_no_valid_number_are_two_things() {
    for list in [json!(null), json!([]), json!([{}]), json!([null]), json!([{"number": "  "}])] {
        assert_eq!(refused(&numbers(list)), at("no_phone_numbers", "metadata.phoneNumbers"));
    }
    for number in ["abc", "++5511912345678", "+5511\n912345678", "+55", "\0", "+", "911"] {
        let message = numbers(json!([{"number": "abc", "order": 9}, {"number": number}]));
        assert_eq!(
            refused(&message),
            at("invalid_phone_number", "metadata.phoneNumbers[1].number"),
            "{number:?}"
        );
    }
}

#[test]
fn numbers_keep_the_text_they_came_with() {
    for text in ["90071992547409931234", "1.50", "1e999", "-0", "7"] {
        let message = good().to_string().replace("\"i-1\"", text);
        assert_eq!(TriggerCall::read(message.as_bytes()).unwrap().tracking.id.as_deref(), Some(text));
    }
}

#[test]
fn ids_fall_back_in_their_order() {
    let id_of = |message: &Value| read(message).unwrap().call_id;
    let mut message = good();
    message["callId"] = json!("outer");
    assert_eq!(id_of(&message).as_deref(), Some("call-1"));
    message["metadata"]["callId"] = json!("");
    assert_eq!(id_of(&message).as_deref(), Some("outer"));
    message["callId"] = json!(null);
    assert_eq!(id_of(&message), None);
}

#[test]
fn the_key_comes_from_the_id_else_from_the_sqs_message() {
    let call = read(&good()).unwrap();
    assert_eq!(call_key(&call.tracking, "m-1"), CallKey::from_ids(Some("org"), Some("ten"), "i-1"));
    for id in [json!(null), json!("")] {
        let call = read(&with("/id", id)).unwrap();
        assert_eq!(call_key(&call.tracking, "m-1"), CallKey::from_sqs_message("m-1"));
    }
    let as_number = read(&with("/id", json!(12))).unwrap();
    let as_text = read(&with("/id", json!("12"))).unwrap();
    assert_eq!(call_key(&as_number.tracking, "m-1"), call_key(&as_text.tracking, "m-2"));
}

#[test]
fn a_refused_message_still_tells_whose_it_is() {
    let mut message = with("/metadata/subject/prompt/text", json!(null));
    message["source"] = json!({});
    let unusable = read(&message).unwrap_err();
    assert!(unusable.has_metadata);
    assert_eq!(unusable.call_id.as_deref(), Some("call-1"));
    assert_eq!(unusable.tracking.campaign_id.as_deref(), Some("7"));
    assert_eq!(unusable.tracking.source, None);
    assert!(!TriggerCall::read(b"[]").unwrap_err().has_metadata);
}

#[test]
fn a_refusal_repeats_no_number() {
    let unusable = read(&numbers(json!([{"number": "55119123456789999"}]))).unwrap_err();
    assert!(!unusable.refusal.detail.contains("5511912"), "{}", unusable.refusal.detail);
}

#[test]
fn codes_are_snake_case_and_read_back() {
    for code in RefusalCode::ALL {
        let word = serde_json::to_string(code).unwrap();
        assert_eq!(word, format!("\"{code}\""));
        assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
        assert_eq!(serde_json::from_str::<RefusalCode>(&word).unwrap(), *code);
    }
}

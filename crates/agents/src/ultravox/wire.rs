//! The text messages of Ultravox's websocket. We say little there that is no sound: which keys the callee presses, what
//! became of a tool, and goodbye.
//! Source: <https://docs.ultravox.ai/apps/datamessages>.

use calls::keys::Keys;
use calls::phone::MaskedText;
use serde_json::{Map, Value, json};

use crate::event::{Event, Role, TranscriptText};

/// Longer texts are not read: nothing that we understand comes near it.
const LONGEST_TEXT: usize = 64 * 1024;
/// Unknown types, tools and reasons are named in facts up to this length.
const LONGEST_KIND: usize = 48;

/// Asks for the end of the call. A message in it would be spoken first.
pub(crate) fn hang_up() -> String {
    json!({ "type": "hang_up" }).to_string()
}

/// What the callee has typed, as a message of the user's. Soon: at once unless the agent is speaking; the vendor's
/// other urgencies interrupt it, or wait until the callee says something.
pub(crate) fn keys_pressed(keys: &Keys) -> String {
    json!({
        "type": "user_text_message",
        "text": format!("(I pressed these keys on the telephone: {})", keys.as_str()),
        "urgency": "soon",
    })
    .to_string()
}

/// What became of a tool that runs at our end. A failure is told like this too, not as an `errorType`: there the agent
/// learns that something broke, here what it can do about it.
pub(crate) fn tool_result(invocation_id: &str, result: &str) -> String {
    json!({ "type": "client_tool_result", "invocationId": invocation_id, "result": result }).to_string()
}

/// The result of a tool that runs at our end, where none does. Without one the agent waits for it in silence.
pub(crate) fn no_such_tool(invocation_id: &str, tool: &str) -> String {
    json!({
        "type": "client_tool_result",
        "invocationId": invocation_id,
        "errorType": "undefined",
        "errorMessage": format!("there is no tool {tool} here"),
    })
    .to_string()
}

/// Understands one text message; total and lenient, because a vendor adds messages without notice.
pub(crate) fn decode_text(text: &str) -> Event {
    if text.len() > LONGEST_TEXT {
        return ignored("a text message of more than 64 kB");
    }
    match serde_json::from_str::<Value>(text) {
        Ok(Value::Object(message)) => decode_message(&message),
        Ok(_) => ignored("JSON that is no object"),
        Err(_) => ignored("text that is no JSON"),
    }
}

fn decode_message(message: &Map<String, Value>) -> Event {
    let Some(kind) = text_of(message, "type") else {
        return ignored("an object without a type");
    };
    match kind {
        "call_started" | "callStarted" => {
            Event::CallStarted { call_id: text_of(message, "callId").map(str::to_owned) }
        }
        "state" => match text_of(message, "state") {
            Some(state) => Event::State(shortened(state)),
            None => ignored("state without a state"),
        },
        "transcript" => transcript(message),
        // The documented spelling is snake_case; the camel-case one is the flag's name and has been
        // seen as a type in other clients.
        "playback_clear_buffer" | "playbackClearBuffer" => Event::ClearPlayout,
        "hang_up" | "hangUp" => Event::HangUp { detail: detail(message) },
        // The shape of this one is not published.
        "tool_used" | "toolUsed" if tool_name(message) == Some("hangUp") => {
            Event::HangUp { detail: detail(message) }
        }
        "client_tool_invocation" | "clientToolInvocation" => tool_call(message),
        "pong" => Event::Pong,
        other => ignored(other),
    }
}

fn transcript(message: &Map<String, Value>) -> Event {
    let role = match text_of(message, "role") {
        Some("user") => Role::Callee,
        Some("agent" | "assistant") => Role::Agent,
        _ => return ignored("transcript of an unknown role"),
    };
    let text = match (text_of(message, "text"), text_of(message, "delta")) {
        (Some(whole), _) => TranscriptText::Whole(whole.to_owned()),
        (None, Some(more)) => TranscriptText::More(more.to_owned()),
        // The closing message of an utterance may be empty.
        (None, None) => TranscriptText::More(String::new()),
    };
    let Some(ordinal) = message.get("ordinal").and_then(Value::as_u64) else {
        return ignored("transcript without an ordinal");
    };
    let is_final = message.get("final").and_then(Value::as_bool).unwrap_or(false);
    Event::Transcript { role, text, ordinal, is_final }
}

fn tool_call(message: &Map<String, Value>) -> Event {
    match (text_of(message, "toolName"), text_of(message, "invocationId")) {
        (Some(tool), Some(id)) => Event::ToolCall {
            tool: shortened(tool),
            invocation_id: id.to_owned(),
            parameters: message.get("parameters").cloned().unwrap_or(Value::Null),
        },
        _ => ignored("client_tool_invocation without a name or an id"),
    }
}

fn tool_name(message: &Map<String, Value>) -> Option<&str> {
    text_of(message, "toolName").or_else(|| text_of(message, "tool_name"))
}

fn detail(message: &Map<String, Value>) -> Option<String> {
    let parameters = message.get("parameters").and_then(Value::as_object);
    let reason = text_of(message, "reason").or_else(|| text_of(message, "message"));
    reason.or_else(|| text_of(parameters?, "reason")).map(shortened)
}

fn text_of<'a>(message: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    message.get(name).and_then(Value::as_str)
}

fn ignored(kind: &str) -> Event {
    Event::Ignored { kind: shortened(kind) }
}

/// One line of bounded length without a phone number, whatever came from outside.
fn shortened(text: &str) -> String {
    let line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST_KIND).collect();
    MaskedText::of(&line).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use calls::keys::Key;
    use proptest::prelude::*;
    fn kind(text: &str) -> String {
        match decode_text(text) {
            Event::Ignored { kind } => kind,
            other => panic!("not ignored: {other:?}"),
        }
    }

    #[test]
    fn every_message_of_a_call_is_understood() {
        for (text, event) in [
            (r#"{"type":"call_started","callId":"c"}"#, Event::CallStarted { call_id: Some("c".to_owned()) }),
            (r#"{"type":"state","state":"listening"}"#, Event::State("listening".to_owned())),
            (r#"{"type":"playback_clear_buffer"}"#, Event::ClearPlayout),
            (r#"{"type":"playbackClearBuffer"}"#, Event::ClearPlayout),
            (r#"{"type":"pong","timestamp":1.5}"#, Event::Pong),
            (r#"{"type":"hang_up","message":"bye"}"#, Event::HangUp { detail: Some("bye".to_owned()) }),
            (
                r#"{"type":"tool_used","toolName":"hangUp","parameters":{"reason":"done"}}"#,
                Event::HangUp { detail: Some("done".to_owned()) },
            ),
            (
                r#"{"type":"client_tool_invocation","toolName":"t","invocationId":"i","parameters":{"a":1}}"#,
                Event::ToolCall {
                    tool: "t".to_owned(),
                    invocation_id: "i".to_owned(),
                    parameters: json!({ "a": 1 }),
                },
            ),
            (
                r#"{"type":"transcript","role":"user","medium":"voice","text":"Alô","delta":null,"final":true,"ordinal":3}"#,
                Event::Transcript {
                    role: Role::Callee,
                    text: TranscriptText::Whole("Alô".to_owned()),
                    ordinal: 3,
                    is_final: true,
                },
            ),
            (
                r#"{"type":"transcript","role":"agent","text":null,"delta":" bem","final":false,"ordinal":4}"#,
                Event::Transcript {
                    role: Role::Agent,
                    text: TranscriptText::More(" bem".to_owned()),
                    ordinal: 4,
                    is_final: false,
                },
            ),
        ] {
            assert_eq!(decode_text(text), event, "{text}");
        }
    }

    #[test]
    fn what_we_say_is_as_the_vendor_documents_it() {
        assert_eq!(hang_up(), r#"{"type":"hang_up"}"#);
        let mut keys = Keys::default();
        "12#".chars().filter_map(Key::of).for_each(|key| keys.push(key));
        let told: Value = serde_json::from_str(&keys_pressed(&keys)).unwrap();
        assert_eq!(
            (told["type"].as_str(), told["urgency"].as_str()),
            (Some("user_text_message"), Some("soon"))
        );
        assert!(told["text"].as_str().unwrap().ends_with(": 12#)"), "{told}");
        let done: Value = serde_json::from_str(&tool_result("i-1", "3 keys were sent")).unwrap();
        assert_eq!(
            done,
            json!({ "type": "client_tool_result", "invocationId": "i-1", "result": "3 keys were sent" })
        );
        let result: Value = serde_json::from_str(&no_such_tool("i\"7", "lookUp")).unwrap();
        let documented = json!({ "type": "client_tool_result", "invocationId": "i\"7", "errorType": "undefined",
            "errorMessage": "there is no tool lookUp here" });
        assert_eq!(result, documented);
    }

    #[test]
    fn what_is_strange_is_named_and_ignored() {
        assert_eq!(kind("[1]"), "JSON that is no object");
        assert_eq!(kind("nonsense"), "text that is no JSON");
        assert_eq!(kind("{}"), "an object without a type");
        assert_eq!(kind(r#"{"type":7}"#), "an object without a type");
        assert_eq!(kind(r#"{"type":"debug","message":"m"}"#), "debug");
        assert_eq!(kind(r#"{"type":"tool_used","toolName":"queryCorpus"}"#), "tool_used");
        assert_eq!(
            kind(r#"{"type":"transcript","role":"user","text":"a"}"#),
            "transcript without an ordinal"
        );
        assert_eq!(kind(&format!(r#"{{"type":"{}"}}"#, "x".repeat(500))).len(), LONGEST_KIND);
        let long = format!(r#"{{"type":"pong","pad":"{}"}}"#, "x".repeat(LONGEST_TEXT));
        assert_eq!(kind(&long), "a text message of more than 64 kB");
        assert_eq!(kind(&"[".repeat(60_000)), "text that is no JSON");
    }

    #[test]
    fn what_a_vendor_says_of_its_end_and_its_tools_is_one_short_line() {
        let long = "x".repeat(50_000);
        for kind in ["hang_up", "tool_used"] {
            let text =
                json!({ "type": kind, "toolName": "hangUp", "reason": format!("a\n{long}") }).to_string();
            let Event::HangUp { detail: Some(detail) } = decode_text(&text) else { panic!("{kind}") };
            assert!(detail.len() == LONGEST_KIND && detail.starts_with("a x"), "{detail}");
        }
        let text = json!({ "type": "hang_up", "message": "call +5521987000003 back" }).to_string();
        assert_eq!(decode_text(&text), Event::HangUp { detail: Some("call +5521•••••0003 back".to_owned()) });
        let text =
            json!({ "type": "client_tool_invocation", "toolName": long, "invocationId": "i" }).to_string();
        assert!(matches!(decode_text(&text), Event::ToolCall { tool, .. } if tool.len() == LONGEST_KIND));
    }

    /// Objects that look like messages, with every field of every wrong type.
    fn near_message() -> impl Strategy<Value = String> {
        let kinds =
            ["call_started", "state", "transcript", "hang_up", "tool_used", "client_tool_invocation", "pong"];
        let fields =
            ["state", "role", "text", "delta", "ordinal", "final", "toolName", "parameters", "callId"];
        let value = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            ".{0,20}".prop_map(Value::from),
            Just(json!(["user"])),
            Just(json!({ "reason": 1 })),
        ];
        (
            prop::sample::select(kinds.to_vec()),
            prop::collection::hash_map(prop::sample::select(fields.to_vec()), value, 0..6),
        )
            .prop_map(|(kind, fields)| {
                let mut object =
                    Map::from_iter(fields.into_iter().map(|(name, value)| (name.to_owned(), value)));
                object.insert("type".to_owned(), kind.into());
                Value::Object(object).to_string()
            })
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm(text in ".{0,200}") {
            if let Event::Ignored { kind } = decode_text(&text) {
                prop_assert!(kind.chars().count() <= LONGEST_KIND && !kind.contains('\n'));
            }
        }

        #[test]
        fn near_messages_are_read_without_harm(text in near_message()) {
            let _ = decode_text(&text);
        }
    }
}

#![allow(clippy::unwrap_used)]

use super::*;
use serde_json::json;

fn body() -> Value {
    json!({
        "systemPrompt": "…", "model": "ultravox-v0.7", "voice": "Mark", "languageHint": "pt-BR",
        "temperature": 0.3, "joinTimeout": "45s", "maxDuration": "600s", "recordingEnabled": true,
        "firstSpeakerSettings": {"user": {"fallback": {"delay": "2.5s", "text": "Olá"}}},
        "selectedTools": [{"toolName": "hangUp"}],
        "medium": {"serverWebSocket": {"inputSampleRate": 16000, "outputSampleRate": 24000,
            "clientBufferSizeMs": 30000, "dataMessages": {"transcript": false, "callEvent": true}}},
        "vadSettings": {"minimumInterruptionDuration": "0.192s"},
        "metadata": {"call": "1"}
    })
}

#[test]
fn a_full_request_is_understood() {
    let call = StartCall::parse(&body()).unwrap();
    assert_eq!(
        call,
        StartCall {
            rates: Rates { input: SampleRate::Hz16000, output: SampleRate::Hz24000 },
            client_buffer: Duration::from_secs(30),
            media_idle_timeout: None,
            join_timeout: Duration::from_secs(45),
            max_duration: Duration::from_secs(600),
            first_speaker: FirstSpeaker::User(Some(Duration::from_millis(2500))),
            minimum_interruption: Duration::from_millis(192),
            unwanted: vec!["transcript".into()],
            client_tools: vec![],
        }
    );
}

#[test]
fn what_is_left_out_has_the_published_defaults() {
    let call = StartCall::parse(&json!({"medium": {"serverWebSocket": {"inputSampleRate": 8000}}})).unwrap();
    assert_eq!(call.rates, Rates { input: SampleRate::Hz8000, output: SampleRate::Hz8000 });
    assert_eq!((call.join_timeout.as_secs(), call.max_duration.as_secs()), (30, 3600));
    assert_eq!((call.client_buffer.as_millis(), call.minimum_interruption.as_millis()), (60, 90));
    assert_eq!(call.first_speaker, FirstSpeaker::Agent(Duration::ZERO));
}

#[test]
fn each_mistake_is_named() {
    let mistakes = [
        ("/greeting", json!("Olá"), "greeting: unknown field"),
        ("/joinTimeout", json!(30), "joinTimeout"),
        ("/joinTimeout", json!("30"), "joinTimeout"),
        ("/maxDuration", json!("1.s"), "maxDuration"),
        ("/maxDuration", json!("010s"), "maxDuration"),
        ("/temperature", json!(1.5), "temperature"),
        ("/externalVoice", json!({}), "exclude"),
        ("/metadata", json!({"a": 1}), "metadata.a"),
        ("/metadata", json!({"ultravox.a": "1"}), "metadata.ultravox.a"),
        ("/selectedTools", json!([{}]), "selectedTools"),
        ("/firstSpeakerSettings", json!({}), "exactly one"),
        ("/firstSpeakerSettings", json!({"user": {}, "agent": {}}), "exactly one"),
        ("/firstSpeakerSettings", json!({"user": {"delay": "1s"}}), "user.delay: unknown field"),
        ("/medium", json!({"webRtc": {}}), "webRtc"),
        ("/medium", Value::Null, "medium"),
        ("/medium", json!({"serverWebSocket": {"inputSampleRate": 44100}}), "44100"),
        ("/medium", json!({"serverWebSocket": {"inputSampleRate": 8000, "channels": 1}}), "channels"),
        ("/vadSettings", json!({"minimumInterruptionDuration": 0.1}), "minimumInterruptionDuration"),
    ];
    for (path, value, sentence) in mistakes {
        let mut body = body();
        body[&path[1..]] = value.clone();
        let error = StartCall::parse(&body).unwrap_err();
        assert!(error.contains(sentence), "{path} = {value}: {error}");
    }
    assert!(StartCall::parse(&json!([])).is_err());
}

//! POST /api/calls, checked against the published schema (`ultravox.v1.StartCallRequest`).

mod tools;

use std::time::Duration;

use audio::SampleRate;
use serde_json::{Map, Value};
pub(super) use tools::ClientTool;

/// Every top-level field of the schema.
const FIELDS: [&str; 27] = [
    "systemPrompt",
    "temperature",
    "model",
    "voice",
    "externalVoice",
    "voiceOverrides",
    "languageHint",
    "initialMessages",
    "joinTimeout",
    "maxDuration",
    "timeExceededMessage",
    "inactivityMessages",
    "selectedTools",
    "medium",
    "recordingEnabled",
    "firstSpeaker",
    "firstSpeakerSettings",
    "transcriptOptional",
    "initialOutputMedium",
    "vadSettings",
    "experimentalSettings",
    "metadata",
    "initialState",
    "dataConnection",
    "callbacks",
    "retentionPolicy",
    "sharedSecrets",
];

/// Sample rates both ways: what the client sends, what it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rates {
    pub(super) input: SampleRate,
    pub(super) output: SampleRate,
}

/// Who says the first word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FirstSpeaker {
    /// The agent, after this long.
    Agent(Duration),
    /// The callee; the agent after all if nobody has spoken for this long. None: it waits for ever.
    User(Option<Duration>),
}

/// What the stand-in acts upon.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StartCall {
    pub(super) rates: Rates,
    /// How far ahead of playback the server may send.
    pub(super) client_buffer: Duration,
    pub(super) media_idle_timeout: Option<Duration>,
    pub(super) join_timeout: Duration,
    pub(super) max_duration: Duration,
    pub(super) first_speaker: FirstSpeaker,
    /// Talk that interrupts the agent.
    pub(super) minimum_interruption: Duration,
    /// Which data messages the client wants: `state`, `transcript` and so on; what is on by default can be
    /// switched off.
    pub(super) unwanted: Vec<String>,
    /// The tools that run at the client's end.
    pub(super) client_tools: Vec<ClientTool>,
}

type Checked<T> = Result<T, String>;

impl StartCall {
    /// Reads `body`; the error is the sentence for the answer 400.
    pub(super) fn parse(body: &Value) -> Checked<Self> {
        let body = body.as_object().ok_or("the body must be a JSON object")?;
        known(body, "", &FIELDS)?;
        check_plain_fields(body)?;
        let (rates, client_buffer, media_idle_timeout, unwanted) = medium(body)?;
        let vad = vad(body)?;
        Ok(Self {
            rates,
            client_buffer,
            media_idle_timeout,
            join_timeout: duration(body, "joinTimeout")?.unwrap_or(Duration::from_secs(30)),
            max_duration: duration(body, "maxDuration")?.unwrap_or(Duration::from_secs(3600)),
            first_speaker: first_speaker(body)?,
            minimum_interruption: vad.unwrap_or(Duration::from_millis(90)),
            unwanted,
            client_tools: tools::client_tools(array(body, "selectedTools")?)?,
        })
    }
}

fn check_plain_fields(body: &Map<String, Value>) -> Checked<()> {
    for name in ["systemPrompt", "model", "voice", "languageHint", "timeExceededMessage"] {
        expect(body, name, Value::is_string, "a string")?;
    }
    for name in ["recordingEnabled", "transcriptOptional"] {
        expect(body, name, Value::is_boolean, "true or false")?;
    }
    expect(body, "temperature", |v| v.as_f64().is_some_and(|t| (0.0..=1.0).contains(&t)), "from 0 to 1")?;
    if present(body, "voice").is_some() && present(body, "externalVoice").is_some() {
        return Err("voice and externalVoice exclude each other".into());
    }
    if let Some(metadata) = object(body, "metadata")? {
        for (key, value) in metadata {
            if !value.is_string() || key.starts_with("ultravox.") {
                return Err(format!("metadata.{key}: keys outside \"ultravox.\" to strings"));
            }
        }
    }
    for message in array(body, "inactivityMessages")? {
        let message = message.as_object().ok_or("inactivityMessages: objects")?;
        known(message, "inactivityMessages.", &["duration", "message", "endBehavior"])?;
        duration(message, "duration")?;
    }
    for message in array(body, "initialMessages")? {
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        if !role.starts_with("MESSAGE_ROLE_") {
            return Err(format!("initialMessages: {role:?} is no role"));
        }
    }
    Ok(())
}

fn medium(body: &Map<String, Value>) -> Checked<(Rates, Duration, Option<Duration>, Vec<String>)> {
    let medium = object(body, "medium")?.ok_or("medium: this stand-in has only serverWebSocket")?;
    known(medium, "medium.", &["serverWebSocket"])?;
    let socket = object(medium, "serverWebSocket")?.ok_or("medium.serverWebSocket is missing")?;
    let fields =
        ["inputSampleRate", "outputSampleRate", "clientBufferSizeMs", "mediaIdleTimeout", "dataMessages"];
    known(socket, "medium.serverWebSocket.", &fields)?;
    let input =
        rate(socket, "inputSampleRate")?.ok_or("medium.serverWebSocket.inputSampleRate is missing")?;
    let output = rate(socket, "outputSampleRate")?.unwrap_or(input);
    let buffer_ms = match present(socket, "clientBufferSizeMs") {
        None => 60,
        Some(value) => value.as_u64().ok_or("clientBufferSizeMs: a whole number of milliseconds")?,
    };
    let mut unwanted = Vec::new();
    for (name, wanted) in object(socket, "dataMessages")?.into_iter().flatten() {
        match wanted {
            Value::Bool(true) => {}
            Value::Bool(false) => unwanted.push(name.clone()),
            _ => return Err(format!("dataMessages.{name}: true or false")),
        }
    }
    let idle = duration(socket, "mediaIdleTimeout")?;
    Ok((Rates { input, output }, Duration::from_millis(buffer_ms), idle, unwanted))
}

fn rate(socket: &Map<String, Value>, name: &str) -> Checked<Option<SampleRate>> {
    let Some(value) = present(socket, name) else { return Ok(None) };
    let hz = value.as_u64().and_then(|hz| u32::try_from(hz).ok()).ok_or(format!("{name}: a whole number"))?;
    SampleRate::try_from(hz).map(Some).map_err(|error| format!("{name}: {error}"))
}

fn first_speaker(body: &Map<String, Value>) -> Checked<FirstSpeaker> {
    let Some(settings) = object(body, "firstSpeakerSettings")? else {
        return match present(body, "firstSpeaker").and_then(Value::as_str) {
            None | Some("FIRST_SPEAKER_AGENT") => Ok(FirstSpeaker::Agent(Duration::ZERO)),
            Some("FIRST_SPEAKER_USER") => Ok(FirstSpeaker::User(None)),
            Some(other) => Err(format!("firstSpeaker: {other:?}")),
        };
    };
    known(settings, "firstSpeakerSettings.", &["agent", "user"])?;
    match (object(settings, "agent")?, object(settings, "user")?) {
        (Some(agent), None) => {
            known(agent, "firstSpeakerSettings.agent.", &["uninterruptible", "text", "prompt", "delay"])?;
            Ok(FirstSpeaker::Agent(duration(agent, "delay")?.unwrap_or_default()))
        }
        (None, Some(user)) => {
            known(user, "firstSpeakerSettings.user.", &["fallback"])?;
            let Some(fallback) = object(user, "fallback")? else { return Ok(FirstSpeaker::User(None)) };
            known(fallback, "firstSpeakerSettings.user.fallback.", &["delay", "text", "prompt"])?;
            Ok(FirstSpeaker::User(Some(duration(fallback, "delay")?.unwrap_or_default())))
        }
        _ => Err("firstSpeakerSettings: exactly one of agent and user".into()),
    }
}

/// `vadSettings.minimumInterruptionDuration`.
fn vad(body: &Map<String, Value>) -> Checked<Option<Duration>> {
    let Some(vad) = object(body, "vadSettings")? else { return Ok(None) };
    let durations = ["turnEndpointDelay", "minimumTurnDuration", "minimumInterruptionDuration"];
    known(vad, "vadSettings.", &[&durations[..], &["frameActivationThreshold"]].concat())?;
    for name in durations {
        duration(vad, name)?;
    }
    duration(vad, "minimumInterruptionDuration")
}

/// A field that is there and not null.
fn present<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    object.get(name).filter(|value| !value.is_null())
}

fn known(object: &Map<String, Value>, path: &str, names: &[&str]) -> Checked<()> {
    match object.keys().find(|key| !names.contains(&key.as_str())) {
        Some(key) => Err(format!("{path}{key}: unknown field")),
        None => Ok(()),
    }
}

fn expect(object: &Map<String, Value>, name: &str, is: impl Fn(&Value) -> bool, what: &str) -> Checked<()> {
    match present(object, name) {
        Some(value) if !is(value) => Err(format!("{name}: must be {what}")),
        _ => Ok(()),
    }
}

fn object<'a>(parent: &'a Map<String, Value>, name: &str) -> Checked<Option<&'a Map<String, Value>>> {
    expect(parent, name, Value::is_object, "an object")?;
    Ok(present(parent, name).and_then(Value::as_object))
}

fn array<'a>(parent: &'a Map<String, Value>, name: &str) -> Checked<&'a [Value]> {
    expect(parent, name, Value::is_array, "a list")?;
    Ok(present(parent, name).and_then(Value::as_array).map_or(&[], Vec::as_slice))
}

/// A duration as the schema wants it: `^-?(?:0|[1-9][0-9]{0,11})(?:\.[0-9]{1,9})?s$`. Ours are not
/// negative.
fn duration(object: &Map<String, Value>, name: &str) -> Checked<Option<Duration>> {
    let Some(value) = present(object, name) else { return Ok(None) };
    let seconds = value.as_str().and_then(|text| text.strip_suffix('s')).and_then(|number| {
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let sound = digits(whole)
            && digits(fraction)
            && (whole == "0" || !whole.starts_with('0'))
            && whole.len() <= 12
            && fraction.len() <= 9;
        sound.then(|| number.parse::<f64>().ok()).flatten()
    });
    match seconds {
        Some(seconds) => Ok(Some(Duration::from_secs_f64(seconds))),
        None => Err(format!("{name}: a duration is a string like \"30s\" or \"5.5s\", not {value}")),
    }
}

#[cfg(test)]
mod tests;

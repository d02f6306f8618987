//! The body of "create call".

use calls::ids::AttemptId;
use calls::plan::{CallPlan, Leg};
use calls::profile::FirstSpeaker;
use serde_json::{Map, Value, json};

use super::{tools, voicemail};

/// Beyond the ring time: what answering, connecting and joining may take before the vendor gives the
/// call up as never joined.
const JOIN_AFTER_RINGING_SECONDS: u32 = 15;
/// The vendor's own limit lies this far behind ours, so that a call at its limit ends by our word for it.
const BEYOND_OUR_LIMIT_SECONDS: u32 = 10;
/// How long the callee must speak to interrupt the agent. The vendor's default (0.09 s) lets the noise
/// of a phone line cut the agent off. A multiple of its 32 ms frames.
const LEAST_INTERRUPTION: &str = "0.192s";
/// How far the vendor may send ahead of what is heard. With this much, playing at the right pace and
/// throwing away what was not heard are ours, and a jittery network is not heard at all.
const CLIENT_BUFFER_MS: u32 = 30_000;

/// The JSON body that creates the agent's call for a plan.
pub(crate) fn create_request(plan: &CallPlan, attempt: &AttemptId) -> Value {
    let agent = &plan.profile.agent;
    let dial = &plan.profile.dial;
    let mut body = json!({
        "systemPrompt": system_prompt(plan),
        "voice": agent.voice,
        "temperature": agent.temperature,
        "joinTimeout": format!("{}s", dial.ring_seconds.saturating_add(JOIN_AFTER_RINGING_SECONDS)),
        "maxDuration": format!("{}s", dial.max_call_seconds.saturating_add(BEYOND_OUR_LIMIT_SECONDS)),
        "recordingEnabled": agent.record_by_agent,
        "firstSpeakerSettings": first_speaker(plan),
        "vadSettings": { "minimumInterruptionDuration": LEAST_INTERRUPTION },
        "medium": { "serverWebSocket": {
            "inputSampleRate": agent.sample_rate,
            "outputSampleRate": agent.sample_rate,
            "clientBufferSizeMs": CLIENT_BUFFER_MS,
        } },
        "metadata": metadata(plan, attempt),
    });
    if let Some(model) = &agent.model {
        body["model"] = json!(model);
    }
    if let Some(language) = &agent.language_hint {
        body["languageHint"] = json!(language);
    }
    let tools = tools::selected(plan);
    if !tools.is_empty() {
        body["selectedTools"] = Value::Array(tools);
    }
    body
}

fn system_prompt(plan: &CallPlan) -> String {
    let agent = &plan.profile.agent;
    // Nobody calls us from a voicemail.
    if !agent.voicemail_guard || plan.leg == Leg::Inbound {
        return plan.system_prompt.clone();
    }
    let guard = voicemail::guard(agent.language_hint.as_deref(), agent.hang_up_tool);
    format!("{}\n\n{guard}", plan.system_prompt)
}

/// Who speaks first. Whoever calls us expects to be greeted, whatever the profile says of our own calls.
fn first_speaker(plan: &CallPlan) -> Value {
    let agent = &plan.profile.agent;
    let greeting = plan.greeting_message.as_deref().filter(|text| !text.trim().is_empty());
    let first = if plan.leg == Leg::Inbound { FirstSpeaker::Agent } else { agent.first_speaker };
    match (first, greeting) {
        (FirstSpeaker::Agent, Some(text)) => json!({ "agent": { "text": text } }),
        (FirstSpeaker::Agent, None) => json!({ "agent": {} }),
        (FirstSpeaker::Callee, Some(text)) => {
            json!({ "user": { "fallback": { "delay": duration(agent.greeting_delay_seconds), "text": text } } })
        }
        (FirstSpeaker::Callee, None) => {
            let prompt = voicemail::greet_silent_callee(agent.language_hint.as_deref());
            json!({ "user": { "fallback": { "delay": duration(agent.greeting_delay_seconds), "prompt": prompt } } })
        }
    }
}

/// A duration as Ultravox wants it: decimal seconds and an `s`.
fn duration(seconds: f64) -> String {
    let milliseconds = (seconds.clamp(0.0, 3600.0) * 1000.0).round();
    format!("{}s", milliseconds / 1000.0)
}

/// The ids by which the vendor's call is found again, all as strings. Names are ours, so none begins
/// with the reserved `ultravox.`. A person's name is no id and stays here.
fn metadata(plan: &CallPlan, attempt: &AttemptId) -> Value {
    let tracking = &plan.tracking;
    let pairs = [
        ("callId", Some(&plan.call_id)),
        ("messageId", tracking.id.as_ref()),
        ("source", tracking.source.as_ref()),
        ("organizationId", tracking.organization_id.as_ref()),
        ("tenantId", tracking.tenant_id.as_ref()),
        ("workflowId", tracking.workflow_id.as_ref()),
        ("campaignId", tracking.campaign_id.as_ref()),
        ("customerId", tracking.customer_id.as_ref()),
        ("userId", tracking.user_id.as_ref()),
        ("externalCustomerId", tracking.external_customer_id.as_ref()),
    ];
    let mut metadata: Map<String, Value> = pairs
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), Value::from(value?.as_str()))))
        .collect();
    metadata.insert("callKey".to_owned(), attempt.key.as_str().into());
    metadata.insert("attempt".to_owned(), attempt.number.to_string().into());
    metadata.insert("country".to_owned(), plan.profile.country.as_str().into());
    Value::Object(metadata)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use calls::ids::CallKey;

    fn plan(agent: Value, rest: Value) -> CallPlan {
        let mut plan = json!({
            "callId": "call-7",
            "leg": { "direction": "Outbound", "to": "+5511912345678" },
            "systemPrompt": "You are kind.",
            "greetingMessage": "Olá!",
            "tracking": { "campaignId": "c-1", "customerId": "17", "fullName": "Ana" },
            "profile": {
                "v": 1, "country": "BR", "prefixes": ["+55"],
                "livekit": { "url": "wss://a.example", "trunkId": "ST_1", "callerId": "+551130000000" },
                "dial": { "ringSeconds": 30, "maxCallSeconds": 900 },
                "agent": { "voice": "Mark", "languageHint": "pt-BR" },
            },
        });
        merge(&mut plan["profile"]["agent"], agent);
        merge(&mut plan, rest);
        // The tag of a leg is whatever the core says it is.
        if plan["leg"] == json!("inbound") {
            plan["leg"] = serde_json::to_value(Leg::Inbound).unwrap();
        } else {
            let to = "+5511912345678".parse().unwrap();
            plan["leg"] = serde_json::to_value(Leg::Outbound { to }).unwrap();
        }
        serde_json::from_value(plan).unwrap()
    }

    fn merge(into: &mut Value, from: Value) {
        for (name, value) in from.as_object().unwrap() {
            into[name] = value.clone();
        }
    }

    fn request(agent: Value, rest: Value) -> Value {
        create_request(&plan(agent, rest), &AttemptId::new(CallKey::from_sqs_message("m"), 2))
    }

    #[test]
    fn an_outbound_call_in_full() {
        let key = CallKey::from_sqs_message("m");
        let guard = voicemail::guard(Some("pt"), true);
        assert_eq!(
            request(json!({ "digitsTool": false }), json!({})),
            json!({
                "systemPrompt": format!("You are kind.\n\n{guard}"),
                "voice": "Mark",
                "temperature": 0.3,
                "languageHint": "pt-BR",
                "joinTimeout": "45s",
                "maxDuration": "910s",
                "recordingEnabled": true,
                "firstSpeakerSettings": { "user": { "fallback": { "delay": "2.5s", "text": "Olá!" } } },
                "vadSettings": { "minimumInterruptionDuration": "0.192s" },
                "selectedTools": [ { "toolName": "hangUp" } ],
                "medium": { "serverWebSocket": {
                    "inputSampleRate": 16000, "outputSampleRate": 16000, "clientBufferSizeMs": 30000,
                } },
                "metadata": {
                    "callId": "call-7", "campaignId": "c-1", "customerId": "17",
                    "callKey": key.as_str(), "attempt": "2", "country": "BR",
                },
            })
        );
    }

    #[test]
    fn who_speaks_first() {
        let settings = |agent: Value, rest: Value| request(agent, rest)["firstSpeakerSettings"].clone();
        let agent_first = json!({ "firstSpeaker": "agent" });
        assert_eq!(settings(agent_first.clone(), json!({})), json!({ "agent": { "text": "Olá!" } }));
        assert_eq!(settings(agent_first, json!({ "greetingMessage": null })), json!({ "agent": {} }));
        assert_eq!(
            settings(json!({}), json!({ "leg": "inbound" })),
            json!({ "agent": { "text": "Olá!" } }),
            "who calls us is greeted"
        );
        let silent = settings(json!({ "greetingDelaySeconds": 3 }), json!({ "greetingMessage": " " }));
        assert_eq!(silent["user"]["fallback"]["delay"], "3s");
        assert!(silent["user"]["fallback"]["prompt"].is_string());
        assert_eq!(silent["user"]["fallback"].get("text"), None);
    }

    #[test]
    fn what_the_profile_switches_off_is_not_there() {
        let body = request(
            json!({ "hangUpTool": false, "digitsTool": false, "voicemailGuard": false, "recordByAgent": false,
                    "sampleRate": 48000, "model": "m-1", "languageHint": null, "temperature": 0.0 }),
            json!({}),
        );
        assert_eq!(body.get("selectedTools"), None);
        assert_eq!(body.get("languageHint"), None);
        assert_eq!(body["systemPrompt"], "You are kind.");
        assert_eq!(body["recordingEnabled"], false);
        assert_eq!((body["model"].as_str(), body["temperature"].as_f64()), (Some("m-1"), Some(0.0)));
        assert_eq!(body["medium"]["serverWebSocket"]["inputSampleRate"], 48000);
        assert_eq!(body["medium"]["serverWebSocket"]["outputSampleRate"], 48000);
    }

    #[test]
    fn the_tools_that_run_at_our_end_are_as_the_vendor_wants_them() {
        let tools = request(json!({}), json!({}))["selectedTools"].clone();
        assert_eq!(tools[0], json!({ "toolName": "hangUp" }));
        let digits = &tools[1]["temporaryTool"];
        assert_eq!((digits["modelToolName"].as_str(), &digits["client"]), (Some("sendDigits"), &json!({})));
        assert_eq!(digits["timeout"], "18s", "longer than any keys that may be sent");
        let parameters = digits["dynamicParameters"].as_array().unwrap();
        assert_eq!((parameters.len(), &parameters[0]["name"]), (1, &json!("digits")));
        assert_eq!(parameters[0]["location"], "PARAMETER_LOCATION_BODY");
    }

    #[test]
    fn an_agent_knows_whom_it_may_transfer_to_by_name_and_not_by_number() {
        let nobody = request(json!({}), json!({}))["selectedTools"].to_string();
        assert!(!nobody.contains("transferCall"), "{nobody}");
        let mut plan = plan(json!({}), json!({}));
        let targets = json!({ "targets": { "sales": "+551130000001", "support": "sip:desk@pbx.example" } });
        plan.profile.transfer = serde_json::from_value(targets).unwrap();
        let body = create_request(&plan, &AttemptId::new(CallKey::from_sqs_message("m"), 1));
        let tool = &body["selectedTools"][2]["temporaryTool"];
        assert_eq!(
            (tool["modelToolName"].as_str(), tool["timeout"].as_str()),
            (Some("transferCall"), Some("36s"))
        );
        assert_eq!(tool["dynamicParameters"][0]["schema"]["enum"], json!(["sales", "support"]));
        assert!(tool["description"].as_str().unwrap().contains("sales, support"));
        assert!(!body.to_string().contains("551130000001") && !body.to_string().contains("pbx.example"));
    }

    #[test]
    fn durations_are_what_the_vendors_pattern_allows() {
        for (seconds, text) in [(2.5, "2.5s"), (0.0, "0s"), (1.0, "1s"), (-1.0, "0s"), (0.1 + 0.2, "0.3s")] {
            assert_eq!(duration(seconds), text);
        }
    }
}

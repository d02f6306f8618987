//! What a deployed task leaves behind and tells.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use jiff::SignedDuration;
use serde_json::{Value, json};
use tests::{agent, person};

use super::cloud::{Cloud, Event, Silence, TASK_ARN, in_the_cloud};

fn statuses(events: &[Event]) -> Vec<&str> {
    events.iter().map(Event::status).collect()
}

async fn outcome(cloud: &Cloud<'_>) -> Result<Value> {
    cloud.document("outcome.json").await?.context("no outcome")
}

/// Each event carries what every event carries.
fn are_of_this_call(events: &[Event], cloud: &Cloud<'_>, room: &Value) -> Result<()> {
    let mut ids = std::collections::BTreeSet::new();
    for Event { event, details } in events {
        ensure!(ids.insert(event["id"].as_str().context("no id")?), "an id came twice: {events:#?}");
        for (name, value) in [
            ("messageType", "CALL_HISTORY"),
            ("source", "outbound-call-gateway"),
            ("organizationId", "org"),
            ("tenantId", "tenant"),
        ] {
            ensure!(event[name] == value, "{name}: {event:#}");
        }
        for (name, value) in [
            ("callId", "call-1"),
            ("campaignId", "campaign-1"),
            ("customerId", "customer-1"),
            ("workflowId", "workflow-1"),
            ("userId", "user-1"),
        ] {
            ensure!(event["metadata"][name] == value, "{name}: {event:#}");
        }
        ensure!(details["toNumber"] == cloud.number && details["country"] == "BR", "{details:#}");
        ensure!(details["provider"] == "twilio" && &details["room"] == room, "{details:#}");
    }
    Ok(())
}

#[test]
fn an_answered_call_lies_in_the_bucket_and_is_told_to_upstream() {
    in_the_cloud(agent::who_says_and_hangs_up([agent::line(1500)]), async |cloud| {
        cloud.put_secrets().await?;
        cloud.person(&person::talkative()).await?;
        let ended = cloud.run().await?;
        ensure!(ended.exit_code == Some(0), "{:#?}", ended.lines);
        let outcome = outcome(&cloud).await?;
        ensure!(outcome["outcome"] == "answered" && outcome["endReason"] == "agent-hangup", "{outcome:#}");
        let dial = cloud.document("dial.json").await?.context("no dial claim")?;
        ensure!(dial["task"] == TASK_ARN, "{dial:#}");

        let files = cloud.files().await?;
        let facts = files.iter().filter(|file| file.starts_with("facts/")).count();
        let others: Vec<&str> =
            files.iter().map(String::as_str).filter(|file| !file.starts_with("facts/")).collect();
        ensure!(facts > 0, "{files:?}");
        ensure!(
            others == ["agent.opus", "callee.opus", "dial.json", "job.json", "outcome.json"],
            "{files:?}"
        );
        for recording in ["agent.opus", "callee.opus"] {
            ensure!(cloud.bytes(recording).await?.starts_with(b"OggS"), "{recording} is no Ogg file");
            ensure!(cloud.tags(recording).await? == ["kind=recording"], "{recording} has no tag");
        }
        ensure!(cloud.tags("outcome.json").await?.is_empty());

        let events = cloud.history().await?;
        let wanted = ["CALL_ATTEMPT_STARTED", "SIP_DIAL_ANSWERED", "SIP_BRIDGE_ACTIVE", "SIP_CALL_ENDED"];
        ensure!(statuses(&events) == wanted, "{events:#?}");
        are_of_this_call(&events, &cloud, &dial["room"])?;
        let (answered, last) = (&events[1].details, &events[3].details);
        ensure!(answered["answerDelaySeconds"].as_f64().is_some_and(|delay| delay > 0.1), "{answered:#}");
        ensure!(last["endReason"] == "agent-hangup", "{last:#}");
        let agent = &cloud.vendor.calls()[0].id;
        ensure!(
            last["agentCallId"] == agent.as_str() && last["ultravoxCallId"] == agent.as_str(),
            "{last:#}"
        );
        ensure!(last["durationSeconds"].as_f64().is_some_and(|seconds| seconds > 1.0), "{last:#}");

        let calls = ended.measured("Calls")?;
        let counted = ["Stage", "Country", "Provider", "Outcome", "Calls"].map(|name| calls[name].clone());
        ensure!(
            counted == [json!("test"), json!("BR"), json!("twilio"), json!("answered"), json!(1)],
            "{calls:#}"
        );
        let dial = ended.measured("DialFailed")?;
        ensure!(dial["DialFailed"] == 0 && dial["Answered"] == 1 && dial["Country"] == "BR", "{dial:#}");
        for of_answered in ["TimeToAnswerSeconds", "TalkSeconds", "FirstAgentAudioSeconds"] {
            ensure!(
                dial[of_answered].as_f64().is_some_and(|seconds| seconds > 0.0),
                "{of_answered}: {dial:#}"
            );
        }
        ensure!(ended.lines.iter().all(Value::is_object), "every line is JSON: {:#?}", ended.lines);
        Ok(())
    });
}

#[test]
fn a_busy_line_is_no_system_error() {
    in_the_cloud(agent::silent(), async |cloud| {
        cloud.put_secrets().await?;
        cloud.person(&person::busy()).await?;
        let ended = cloud.run().await?;
        ensure!(ended.exit_code == Some(0), "{:#?}", ended.lines);
        let events = cloud.history().await?;
        ensure!(statuses(&events) == ["CALL_ATTEMPT_STARTED", "CALL_NOT_ANSWERED"], "{events:#?}");
        let details = &events[1].details;
        ensure!(details["reason"] == "busy" && details["sipStatus"] == 486, "{details:#}");
        ensure!(ended.measured("Calls")?["Outcome"] == "not-answered", "{:#?}", ended.lines);
        ensure!(ended.measured("DialFailed")?["DialFailed"] == 0, "{:#?}", ended.lines);
        ensure!(ended.measured("DialFailures")?["SipClass"] == "4xx", "{:#?}", ended.lines);
        Ok(())
    });
}

#[test]
fn without_its_secrets_it_says_so_and_may_be_tried_again() {
    in_the_cloud(agent::silent(), async |cloud| {
        let ended = cloud.run().await?;
        could_not_begin(&cloud, ended.exit_code).await?;
        let outcome = outcome(&cloud).await?;
        let detail = outcome["detail"].as_str().unwrap_or_default();
        ensure!(detail.contains("/ocg/test/secrets/BR"), "{outcome:#}");
        ensure!(ended.measured("Calls")?["Outcome"] == "failed", "{:#?}", ended.lines);
        ensure!(ended.measured("DialFailed")?["DialFailed"] == 1, "{:#?}", ended.lines);
        Ok(())
    });
}

#[test]
fn a_parameter_store_that_never_answers_is_given_up_before_the_claim_is_too_late() {
    in_the_cloud(agent::silent(), async |mut cloud| {
        let silence = Silence::new()?;
        cloud.set("AWS_ENDPOINT_URL_SSM", &silence.url);
        cloud.claim_within = SignedDuration::from_secs(16);
        let ended = cloud.run().await?;
        could_not_begin(&cloud, ended.exit_code).await?;
        ensure!(ended.took < Duration::from_secs(16), "it took {:?}", ended.took);
        Ok(())
    });
}

/// Nothing rang, nothing will, and everybody who has to know does.
async fn could_not_begin(cloud: &Cloud<'_>, exit_code: Option<i32>) -> Result<()> {
    ensure!(exit_code == Some(2), "{exit_code:?}");
    ensure!(cloud.dials().await?.is_empty(), "it reached the phone");
    let outcome = outcome(cloud).await?;
    ensure!(outcome["outcome"] == "failed" && outcome["reason"] == "bridge-error", "{outcome:#}");
    ensure!(outcome["retryable"] == true, "{outcome:#}");
    let dial = cloud.document("dial.json").await?.context("no dial claim")?;
    ensure!(dial["task"] == TASK_ARN && dial["failedBeforeDial"].is_string(), "{dial:#}");
    let events = cloud.history().await?;
    ensure!(statuses(&events) == ["SIP_CALL_FAILED"], "{events:#?}");
    are_of_this_call(&events, cloud, &Value::Null)?;
    let details = &events[0].details;
    ensure!(details["reason"] == "bridge-error" && details["attempt"] == 1, "{details:#}");
    ensure!(details["errorType"] == "bridge-error" && details["sipStatus"].is_null(), "{details:#}");
    Ok(())
}

#[test]
fn a_dead_event_queue_never_touches_a_call() {
    in_the_cloud(agent::who_says_and_hangs_up([agent::line(1500)]), async |mut cloud| {
        let silence = Silence::new()?;
        cloud.set("AWS_ENDPOINT_URL_SQS", &silence.url);
        cloud.put_secrets().await?;
        cloud.person(&person::talkative()).await?;
        let ended = cloud.run().await?;
        ensure!(ended.exit_code == Some(0), "{:#?}", ended.lines);
        let outcome = outcome(&cloud).await?;
        ensure!(outcome["outcome"] == "answered" && outcome["endReason"] == "agent-hangup", "{outcome:#}");
        let spoken = outcome["agentAudioSeconds"].as_f64().context("no agentAudioSeconds")?;
        ensure!((spoken - 1.5).abs() < 0.1, "{outcome:#}");
        let duration = outcome["durationSeconds"].as_f64().context("no durationSeconds")?;
        ensure!(duration < 10.0, "the call was held up: {outcome:#}");
        let done = outcome["endedAt"].as_str().context("no endedAt")?.parse::<jiff::Timestamp>()?;
        let over = jiff::Timestamp::now().duration_since(done);
        ensure!(over < SignedDuration::from_secs(10), "it went on for {over:#} after its outcome");
        ensure!(ended.said("upstream not told"), "{:#?}", ended.lines);
        ensure!(cloud.files().await?.contains(&"callee.opus".to_owned()));
        Ok(())
    });
}

#[test]
fn a_recording_that_cannot_be_kept_harms_nothing_else() {
    in_the_cloud(agent::who_says_and_hangs_up([agent::line(500)]), async |mut cloud| {
        cloud.set("TMPDIR", "/nowhere");
        cloud.put_secrets().await?;
        cloud.person(&person::talkative()).await?;
        let ended = cloud.run().await?;
        ensure!(ended.exit_code == Some(0), "{:#?}", ended.lines);
        let outcome = outcome(&cloud).await?;
        ensure!(outcome["outcome"] == "answered" && outcome["endReason"] == "agent-hangup", "{outcome:#}");
        let files = cloud.files().await?;
        ensure!(!files.iter().any(|file| file.ends_with(".opus")), "{files:?}");
        let mut facts = String::new();
        for file in files.iter().filter(|file| file.starts_with("facts/")) {
            facts += &String::from_utf8(cloud.bytes(file).await?)?;
        }
        ensure!(facts.contains("recording-not-stored"), "{facts}");
        ensure!(statuses(&cloud.history().await?).last() == Some(&"SIP_CALL_ENDED"));
        Ok(())
    });
}

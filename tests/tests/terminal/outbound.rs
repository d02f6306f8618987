//! `bridge-task outbound`.

use anyhow::{Context as _, Result, ensure};
use calls::outcome::{EndReason, OutcomeKind};
use serde_json::{Value, json};
use sim::stack::{CALLER_ID, Recording};
use tests::ears::seconds_of;
use tests::{Scene, agent, person, story};

use crate::desk::{Desk, path};

const SCENARIO: &str = r#"{
    "systemPrompt": "You are {{clinic}}. Remind {{name}} of the appointment.",
    "greetingMessage": "Hello {{name}}, this is {{clinic}}.",
    "languageHint": "pt-BR",
    "variables": { "name": "Ana", "clinic": "the clinic" }
}"#;

#[test]
fn a_call_with_settings_from_the_environment() {
    story(async |scene| {
        let desk = Desk::with_everything(scene, says_goodbye()).await?;
        calls(scene, &desk, "+5521987000001", &[]).await
    });
}

#[test]
fn a_call_with_a_profile_from_a_file() {
    story(async |scene| {
        let desk = Desk::with_credentials(scene, says_goodbye()).await?;
        let profile = {
            let stack = scene.stage().stack().await;
            let (url, trunk) = (stack.livekit().url(), stack.trunk_id());
            json!({
                "v": 1, "country": "BR",
                "livekit": { "url": url, "trunkId": trunk, "callerId": CALLER_ID },
                "agent": { "voice": "test-voice", "callsUrl": desk.vendor.calls_url() },
            })
        };
        let profiles = desk.file("profiles/br.json", &profile.to_string())?;
        let directory = profiles.parent().map(path).transpose()?.unwrap_or_default();
        calls(scene, &desk, "+5521987000002", &["--profiles", directory]).await
    });
}

fn says_goodbye() -> sim::ultravox::Script {
    agent::who_says_and_hangs_up([agent::line(1000)])
}

/// The call goes through: the agent is who the scenario says, is heard to the end, and hangs up.
async fn calls(scene: &Scene, desk: &Desk, to: &str, more: &[&str]) -> Result<()> {
    let stack = scene.stage().stack().await;
    let phone = stack.phone()?;
    phone.script(to, &person::talkative()).await?;
    let scenario = desk.file("scenario.json", SCENARIO)?;
    let arguments = [&["outbound", "--to", to, "--scenario", path(&scenario)?], more].concat();
    let mut running = desk.run(&arguments)?;
    let code = running.exits().await?;
    ensure!(code == Some(0), "exit code {code:?}: {}", running.log());
    let leg = phone.wait_for(to, std::time::Duration::from_secs(5), |leg| leg.is_over()).await?;
    desk.is_tidy(&leg.room).await?;

    let (outcome, dial_claimed) = desk.call_folder()?;
    ensure!(outcome.outcome == OutcomeKind::Answered && dial_claimed, "{outcome:#?}");
    ensure!(outcome.end_reason == Some(EndReason::AgentHangup), "{outcome:#?}");
    let heard = seconds_of(&phone.recording(&leg.id).await?.heard, Recording::RATE, agent::TONE_HZ);
    ensure!((heard - 1.0).abs() < 0.15, "the callee hears {heard:.2} s of the agent's second");
    let (agent, ..) = desk.agent()?;
    let joined_ms = agent.joined.context("the agent never came")?.as_millisecond();
    ensure!(Some(joined_ms) >= leg.answered_at_ms, "the agent was there before the callee: {leg:#?}");
    let prompt = agent.request["systemPrompt"].as_str().unwrap_or_default();
    ensure!(prompt.starts_with("You are the clinic. Remind Ana of the appointment."), "{prompt}");
    let greeting = agent.request.pointer("/firstSpeakerSettings/user/fallback/text").and_then(Value::as_str);
    ensure!(greeting == Some("Hello Ana, this is the clinic."), "{:#}", agent.request);
    ensure!(agent.request["languageHint"] == "pt-BR", "{:#}", agent.request);
    ensure!(!running.log().contains(&to[1..]), "the log holds the number:\n{}", running.log());
    Ok(())
}

//! The telephone's keys: what the callee types reaches the agent, and what the agent types the callee's end.

use anyhow::{Context as _, Result, ensure};
use calls::fact::Fact;
use calls::outcome::EndReason;
use serde_json::{Value, json};
use sim::stack::Step;
use tests::{EndedCall, agent, person, story};

/// What the agent was told besides sound, by the message's type.
fn texts(ended: &EndedCall, kind: &str) -> Result<Vec<Value>> {
    let texts = ended.agent()?.texts.iter().map(|text| Ok(serde_json::from_str(text)?));
    let texts = texts.collect::<Result<Vec<Value>>>()?;
    Ok(texts.into_iter().filter(|text| text["type"] == kind).collect())
}

#[test]
fn what_the_callee_types_reaches_the_agent_in_one_message_and_interrupts_nothing() {
    story(async |scene| {
        let types = [Step::wait(300), person::talk(600), Step::wait_for_voice(10_000), Step::dtmf("123w45#")];
        let agent = agent::who_says([agent::line(3000), agent::line(1000)]);
        let call = scene.arrange().person(person::who(types)).agent(agent).place().await?;
        call.agent("the agent answers what was typed", |agent| agent.lines_begun == 2).await?;
        call.phone("it is heard to the end", |leg| leg.heard_voice_ms > 3900).await?;
        call.callee_hangs_up().await?;
        let ended = call.ends().await?;

        let told = texts(&ended, "user_text_message")?;
        let told: Vec<_> = told.iter().filter_map(|text| text["text"].as_str()).collect();
        ensure!(told.len() == 1 && told[0].contains("12345#"), "{told:?}");
        ensure!(ended.outcome()?.barge_ins == 0 && ended.agent()?.interruptions == 0, "{:#?}", ended.agent);
        let keys: String = ended
            .kept
            .facts
            .iter()
            .filter_map(|recorded| match &recorded.fact {
                Fact::Dtmf { digit } => Some(digit.as_str()),
                _ => None,
            })
            .collect();
        ensure!(keys == "12345#", "a fact each: {keys}");
        let log = ended.logs.first().context("no log")?;
        ensure!(log.matches("key pressed").count() == 6, "{log}");
        ensure!(!log.contains("12345#") && !log.contains(r#""digit""#), "a log shows what was typed: {log}");
        ended.is_answered(EndReason::CalleeHangup)
    });
}

#[test]
fn keys_that_the_agent_sends_arrive_in_order_and_apart_and_then_it_speaks_on() {
    story(async |scene| {
        let sends = json!({ "digits": "12w3#A" });
        let agent = agent::with_tool(agent::who_says([agent::line(500)]), 1500, "sendDigits", sends);
        let call = scene.arrange().agent(agent).profile("/agent/greetingDelaySeconds", 60).place().await?;
        call.phone("all keys are heard", |leg| leg.dtmf_heard.len() == 5).await?;
        call.agent("the agent goes on", |agent| agent.tools.iter().all(|tool| tool.answer.is_some())).await?;
        call.callee_hangs_up().await?;
        let ended = call.ends().await?;

        let leg = ended.leg()?;
        ensure!(leg.dtmf_heard == "123#A", "heard: {}", leg.dtmf_heard);
        let gaps: Vec<i64> = leg.dtmf_heard_at_ms.windows(2).map(|pair| pair[1] - pair[0]).collect();
        // A quarter of a second each, half a second more where there is a pause; a stall may shift one.
        let wanted = [250, 750, 250, 250];
        ensure!(gaps.iter().zip(wanted).all(|(gap, wanted)| (gap - wanted).abs() < 150), "{gaps:?}");
        ensure!(ended.tool_answer(0)? == "5 keys were sent", "{}", ended.tool_answer(0)?);
        ensure!(ended.has_fact(|fact| *fact == Fact::KeysSent { keys: 5 }));
        let log = ended.logs.first().context("no log")?;
        ensure!(!log.contains("123#"), "a log shows what was sent: {log}");
        ended.is_answered(EndReason::CalleeHangup)
    });
}

#[test]
fn keys_that_do_not_exist_are_refused_with_the_reason_and_the_call_goes_on() {
    story(async |scene| {
        let agent = agent::with_tool(agent::silent(), 500, "sendDigits", json!({ "digits": "call 911" }));
        let agent = agent::with_tool(agent, 1500, "sendDigits", json!({ "number": 1 }));
        let call = scene.arrange().agent(agent).place().await?;
        call.agent("both are answered", |agent| {
            agent.tools.len() == 2 && agent.tools.iter().all(|tool| tool.answer.is_some())
        })
        .await?;
        call.callee_hangs_up().await?;
        let ended = call.ends().await?;
        ensure!(ended.tool_answer(0)?.contains("digits may only be"), "{}", ended.tool_answer(0)?);
        ensure!(ended.tool_answer(1)?.contains("digits is missing"), "{}", ended.tool_answer(1)?);
        ensure!(ended.leg()?.dtmf_heard.is_empty(), "{:#?}", ended.leg()?);
        ended.is_answered(EndReason::CalleeHangup)
    });
}

//! The agent has the callee passed on to somebody else: a cold transfer, through the real server to the phone's trunk.

use anyhow::{Context as _, ensure};
use calls::fact::Fact;
use calls::outcome::EndReason;
use serde_json::json;
use sim::stack::{Reject, Script, Transfer};
use tests::{Arrangement, EndedCall, LiveCall, Scene, agent, person, story};

/// Whom the profile names.
const SALES: &str = "+551140040001";

fn who_meets(transfer: Transfer) -> Script {
    Script { transfer: Some(transfer), ..person::talkative() }
}

/// The agent announces it for 600 ms, has the callee passed on to `to`, and says a line if that fails.
fn arrange(scene: &Scene, to: &str, transfer: Transfer) -> Arrangement {
    let says = agent::who_says([agent::line(600), agent::line(1000)]);
    let agent = agent::with_tool(says, 3500, "transferCall", json!({ "to": to }));
    scene
        .arrange()
        .person(who_meets(transfer))
        .agent(agent)
        .profile("/transfer", json!({ "targets": { "sales": SALES }, "ringSeconds": 3 }))
}

/// The agent was told why, and said its other line; then the callee hangs up.
async fn goes_on(call: LiveCall) -> anyhow::Result<EndedCall> {
    call.phone("the agent speaks on", |leg| leg.heard_voice_ms > 1500).await?;
    call.callee_hangs_up().await?;
    let ended = call.ends().await?;
    ended.is_answered(EndReason::CalleeHangup)?;
    Ok(ended)
}

fn is_told_no_number(ended: &EndedCall) -> anyhow::Result<()> {
    let request = ended.agent()?.request.to_string();
    ensure!(!request.contains(&SALES[1..]), "the vendor knows the number");
    ensure!(ended.logs.iter().all(|log| !log.contains(&SALES[1..])), "a log shows the number");
    let facts = format!("{:?}", ended.kept.facts);
    ensure!(!facts.contains(&SALES[1..]), "a fact shows the number");
    Ok(())
}

#[test]
fn a_callee_is_passed_on_and_nothing_is_left_of_the_call() {
    story(async |scene| {
        let accepted = Transfer { after_ms: Some(1000), ..Transfer::default() };
        let ended = arrange(scene, "sales", accepted).place().await?.ends().await?;
        ended.is_answered(EndReason::Transferred)?;
        let leg = ended.leg()?;
        ensure!((leg.transfers, leg.transfer_to.as_str()) == (1, "tel:+551140040001"), "{leg:#?}");
        ensure!(leg.ended_by == "transfer", "hung up on by us: {leg:#?}");
        ensure!(leg.transfer_ringing_timeout_ms == 3000, "{leg:#?}");
        ensure!(leg.heard_voice_ms > 500, "the announcement was cut off: {leg:#?}");
        ensure!(ended.has_fact(|fact| *fact == Fact::TransferAsked { to: "sales".into() }));
        ensure!(ended.has_fact(|fact| matches!(fact, Fact::Transferred { to, .. } if to == "sales")));
        is_told_no_number(&ended)
    });
}

#[test]
fn a_trunk_that_hangs_up_before_it_says_how_it_went_has_passed_the_callee_on() {
    story(async |scene| {
        let bye = Transfer { after_ms: Some(2000), bye_at_ms: Some(200), ..Transfer::default() };
        let ended = arrange(scene, "sales", bye).place().await?.ends().await?;
        ended.is_answered(EndReason::Transferred)
    });
}

#[test]
fn whom_the_profile_does_not_name_nobody_is_passed_on_to() {
    story(async |scene| {
        let call = arrange(scene, "+5511900001234", Transfer::default()).place().await?;
        let ended = goes_on(call).await?;
        let told = ended.tool_answer(0)?;
        ensure!(told.contains("not on the list: sales") && !told.contains("900001234"), "{told}");
        ensure!(ended.leg()?.transfers == 0, "the trunk was asked: {:#?}", ended.leg()?);
        Ok(())
    });
}

#[test]
fn a_trunk_that_refuses_sends_the_callee_back_to_the_agent_with_the_reason() {
    story(async |scene| {
        for (code, text) in [(405, "Method Not Allowed"), (603, "Decline")] {
            let reject = Some(Reject { code, text: text.to_owned() });
            let refused = Transfer { after_ms: Some(300), reject, ..Transfer::default() };
            let ended = goes_on(arrange(scene, "sales", refused).place().await?).await?;
            let told = ended.tool_answer(0)?;
            ensure!(told.contains(&format!("{code} {text}")) && told.contains("still on the line"), "{told}");
            let failed = |fact: &Fact| matches!(fact, Fact::TransferFailed { sip_status, .. } if *sip_status == Some(code));
            ensure!(ended.has_fact(failed), "{:#?}", ended.kept.facts);
            ensure!(ended.leg()?.transfers == 1, "asked again: {:#?}", ended.leg()?);
            is_told_no_number(&ended)?;
        }
        Ok(())
    });
}

#[test]
fn a_transfer_of_which_nobody_tells_comes_back_to_the_agent() {
    story(async |scene| {
        let silent = Transfer { no_reply: true, ..Transfer::default() };
        let ended = goes_on(arrange(scene, "sales", silent).place().await?).await?;
        let used = ended.agent()?.tools.first().context("no tool was called")?;
        let (answered, told) = used.answer.as_ref().context("not answered")?;
        let waited = answered.as_millisecond() - used.called.as_millisecond();
        ensure!((3000..9000).contains(&waited), "told after {waited} ms: {told}");
        ensure!(told.contains("not transferred"), "{told}");
        Ok(())
    });
}

#[test]
fn a_callee_who_hangs_up_meanwhile_has_hung_up() {
    story(async |scene| {
        let slow = Transfer { after_ms: Some(20_000), ..Transfer::default() };
        let call = arrange(scene, "sales", slow).profile("/transfer/ringSeconds", 20).place().await?;
        call.phone("the trunk is asked", |leg| leg.transfers == 1).await?;
        call.callee_hangs_up().await?;
        let ended = call.ends().await?;
        ended.is_answered(EndReason::CalleeHangup)
    });
}

#[test]
fn an_agent_that_is_gone_meanwhile_takes_the_callee_not_with_it() {
    story(async |scene| {
        let slow = Transfer { after_ms: Some(3000), ..Transfer::default() };
        let call = arrange(scene, "sales", slow).profile("/transfer/ringSeconds", 10).place().await?;
        call.phone("the trunk is asked", |leg| leg.transfers == 1).await?;
        call.vendor().goes_wrong(sim::ultravox::Trouble::Drop);
        let ended = call.ends().await?;
        ensure!(ended.leg()?.ended_by == "transfer", "hung up on by us: {:#?}", ended.leg()?);
        ended.is_answered(EndReason::Transferred)
    });
}

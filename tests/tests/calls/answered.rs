//! Somebody picks up.

use anyhow::ensure;
use calls::outcome::EndReason;
use cloud::call_folder::Recording as Direction;
use sim::stack::Recording;
use sim::ultravox::EndReason as AgentEnd;
use tests::ears::seconds_of;
use tests::{agent, person, story};

#[test]
fn both_hear_each_other_and_the_callee_hangs_up() {
    story(async |scene| {
        let call = scene.arrange().agent(agent::who_says([agent::line(2000)])).place().await?;
        call.phone("the agent is heard out", |leg| leg.heard_voice_ms > 1900).await?;
        call.callee_hangs_up().await?;
        let ended = call.ends().await?;

        ended.is_answered(EndReason::CalleeHangup)?;
        ensure!(ended.agent()?.end_reason == Some(AgentEnd::Hangup), "{:#?}", ended.agent);
        let (rate, agent_heard) = ended.agent_heard()?;
        for (who, hears, rate, theirs, own) in [
            ("the callee", ended.heard()?, Recording::RATE, agent::TONE_HZ, person::TONE_HZ),
            ("the agent", agent_heard, rate, person::TONE_HZ, agent::TONE_HZ),
            ("agent.opus", &ended.recorded(Direction::Agent, rate)?, rate, agent::TONE_HZ, person::TONE_HZ),
            ("callee.opus", &ended.recorded(Direction::Callee, rate)?, rate, person::TONE_HZ, agent::TONE_HZ),
        ] {
            let (heard, wanted) =
                (seconds_of(hears, rate, theirs), if theirs == agent::TONE_HZ { 2.0 } else { 1.0 });
            ensure!((heard - wanted).abs() < 0.15, "{who} hears {heard:.2} s of the other's {wanted} s");
            ensure!(seconds_of(hears, rate, own) == 0.0, "{who} hears its own voice");
        }
        Ok(())
    });
}

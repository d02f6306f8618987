//! Two tasks for one attempt.

use anyhow::{Context as _, ensure};
use calls::fact::Fact;
use calls::outcome::{EndReason, OutcomeKind};
use sim::stack::Recording;
use tests::ears::seconds_of;
use tests::{agent, story};

#[test]
fn one_rings_and_the_other_leaves() {
    story(async |scene| {
        let mut call = scene.arrange().agent(agent::who_says([agent::line(2000)])).plan().await?;
        call.start_task()?;
        call.start_task()?;
        call.phone("the agent is heard out", |leg| leg.heard_voice_ms > 1900).await?;
        call.callee_hangs_up().await?;
        let ended = call.ends().await?;

        ensure!(ended.exit_codes == [Some(0), Some(0)], "{:?}", ended.exit_codes);
        ensure!(ended.leg()?.is_answered());
        let outcome = ended.outcome()?;
        ensure!(outcome.outcome == OutcomeKind::Answered, "{outcome:#?}");
        ensure!(outcome.end_reason == Some(EndReason::CalleeHangup), "{outcome:#?}");
        let heard = seconds_of(ended.heard()?, Recording::RATE, agent::TONE_HZ);
        ensure!((heard - 2.0).abs() < 0.15, "the callee hears {heard:.2} s of the winner's agent");

        let the_one = |fact: &str| ended.logs.iter().position(|log| log.contains(&format!("\"{fact}\"")));
        let winner = the_one("dialing").context("nobody has dialed")?;
        let loser = the_one("duplicate").context("nobody has left")?;
        ensure!(winner != loser && the_one("outcome-written") == Some(winner), "{:?}", ended.logs);
        ensure!(!ended.has_fact(|fact| matches!(fact, Fact::OutcomeNotWritten { .. })));
        let duplicates = ended.kept.facts.iter().filter(|f| matches!(f.fact, Fact::Duplicate { .. }));
        ensure!(duplicates.count() == 1);
        Ok(())
    });
}

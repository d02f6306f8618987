//! SIGTERM: a deploy, or a Spot instance that is taken away.

use anyhow::ensure;
use calls::outcome::EndReason;
use rustix::process::Signal;
use sim::stack::Script;
use tests::{person, story};

#[test]
fn while_it_rings() {
    story(async |scene| {
        let nobody = Script { never_answer: true, ..person::talkative() };
        let mut call = scene.arrange().person(nobody).place().await?;
        call.phone("it rings", |leg| leg.phase == "ringing").await?;
        call.task(0)?.signal(Signal::TERM);
        // It may have rung: a system error that is not tried again by itself.
        call.ends().await?.is_failed("drained", None, false)
    });
}

#[test]
fn twice_it_hangs_up_all_the_same() {
    story(async |scene| {
        let mut call = scene.arrange().place().await?;
        call.is_talking().await?;
        call.task(0)?.signal(Signal::TERM);
        call.task(0)?.signal(Signal::INT);
        // That no room, leg or socket is left is looked at in the end.
        let ended = call.ends().await?;
        ensure!(ended.exit_codes == [Some(130)], "{:?}: {:?}", ended.exit_codes, ended.logs);
        Ok(())
    });
}

#[test]
fn while_they_talk() {
    story(async |scene| {
        let mut call = scene.arrange().place().await?;
        call.is_talking().await?;
        call.task(0)?.signal(Signal::TERM);
        call.ends().await?.is_answered(EndReason::Drained)
    });
}

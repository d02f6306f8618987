//! SIGTERM: a deploy, or a Spot instance that is taken away.

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
fn while_they_talk() {
    story(async |scene| {
        let mut call = scene.arrange().place().await?;
        call.is_talking().await?;
        call.task(0)?.signal(Signal::TERM);
        call.ends().await?.is_answered(EndReason::Drained)
    });
}

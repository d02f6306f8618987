//! Ctrl-C in front of a call.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use calls::outcome::EndReason;
use jiff::Timestamp;
use rustix::process::Signal;
use sim::stack::Call;
use tests::{agent, person, story};

use crate::desk::Desk;

const TO: &str = "+5521987000009";

#[test]
fn the_call_ends_at_once_whatever_a_task_would_do() {
    story(async |scene| {
        let desk = Desk::with_everything(scene, agent::silent()).await?;
        let stack = scene.stage().stack().await;
        let phone = stack.phone()?;
        phone.script(TO, &person::talkative()).await?;
        let mut running = desk.run(&["outbound", "--to", TO])?;
        phone.wait_for(TO, Duration::from_secs(30), Call::is_answered).await?;
        desk.vendor
            .wait_until("they talk", Duration::from_secs(10), |calls| {
                calls.iter().any(|c| c.bytes_received > 0)
            })
            .await?;
        let told = Timestamp::now();
        running.signal(Signal::INT);
        let code = running.exits().await?;
        ensure!(code == Some(0), "exit code {code:?}: {}", running.log());
        let leg = phone.wait_for(TO, Duration::from_secs(5), Call::is_over).await?;
        let after = leg.ended_at_ms.context("no end")? - told.as_millisecond();
        ensure!(after < 5000, "it went on for {after} ms");
        desk.is_tidy(&leg.room).await?;
        let (outcome, _) = desk.call_folder()?;
        ensure!(outcome.end_reason == Some(EndReason::Drained), "{outcome:#?}");
        Ok(())
    });
}

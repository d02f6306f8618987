//! The program breaks in the middle of a call: a panic in the loop that carries it. The program has nothing by which it
//! could be asked to; a library that is preloaded makes its clock fail.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use calls::outcome::{EndReason, OutcomeKind};
use jiff::Timestamp;
use sim::stack::{Call, Script};
use sim::ultravox::Trouble;
use tests::{EndedCall, LiveCall, Scene, person, story};

/// The longest that a person may be kept on a line that nobody serves.
const LEFT_ALONE_MS: i64 = 5_000;

/// The library, made of its source. Where Rust programs are linked there is a `cc`.
fn broken_clock(dir: &Path) -> Result<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/broken_clock.c");
    let library = dir.join("broken_clock.so");
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&library).arg(source).arg("-ldl");
    let made = cc.status().context("cc")?;
    ensure!(made.success(), "broken_clock.c does not compile: {made}");
    Ok(library)
}

/// A call whose program breaks when this file is there.
async fn that_will_break(scene: &Scene, person: Script) -> Result<(LiveCall, PathBuf)> {
    let library = broken_clock(scene.dir())?;
    let when = scene.dir().join("break");
    let text = |path: &Path| path.to_str().map(str::to_owned).context("no UTF-8");
    let arranged = scene.arrange().person(person).env("LD_PRELOAD", &text(&library)?);
    Ok((arranged.env("BREAKS_WHEN", &text(&when)?).place().await?, when))
}

/// It broke, and the person on the line noticed at once.
fn broke(ended: &EndedCall, at: Timestamp) -> Result<()> {
    ensure!(ended.logs[0].contains("panicked"), "it has not broken: {}", ended.logs[0]);
    ensure!(ended.exit_codes == [Some(1)], "{:?}", ended.exit_codes);
    let closed = ended.leg()?.ended_at_ms.context("the leg did not end")?;
    ensure!(
        closed - at.as_millisecond() < LEFT_ALONE_MS,
        "left alone for {} ms",
        closed - at.as_millisecond()
    );
    Ok(())
}

// That no room and no leg is left is looked at in the end of every call.

#[test]
fn while_they_talk() {
    story(async |scene| {
        let (call, when) = that_will_break(scene, person::talkative()).await?;
        call.is_talking().await?;
        std::fs::write(&when, "")?;
        let at = Timestamp::now();
        // A message that is worth a line, which has a time.
        call.vendor().goes_wrong(Trouble::SendText(r#"{"type":"of-tomorrow"}"#.to_owned()));
        let ended = call.ends().await?;
        broke(&ended, at)?;
        let outcome = ended.outcome()?;
        ensure!(outcome.outcome == OutcomeKind::Answered && !outcome.retryable, "{outcome:#?}");
        ensure!(outcome.end_reason == Some(EndReason::BridgeError), "{outcome:#?}");
        ensure!(outcome.duration_seconds.is_some_and(|seconds| seconds > 0.0), "{outcome:#?}");
        Ok(())
    });
}

#[test]
fn while_it_rings() {
    story(async |scene| {
        let late = Script { answer_after_ms: Some(2500), ..person::talkative() };
        let (call, when) = that_will_break(scene, late).await?;
        call.phone("it rings", |leg| leg.phase == "ringing").await?;
        // At the latest when it is answered there is something to tell.
        std::fs::write(&when, "")?;
        let at = call.phone("it is over", Call::is_over).await?.answered_at_ms;
        let ended = call.ends().await?;
        broke(&ended, at.map_or_else(|| Ok(Timestamp::now()), Timestamp::from_millisecond)?)?;
        let outcome = ended.outcome()?;
        let as_it_came = [OutcomeKind::Answered, OutcomeKind::Unknown];
        ensure!(as_it_came.contains(&outcome.outcome) && !outcome.retryable, "it rang: {outcome:#?}");
        Ok(())
    });
}

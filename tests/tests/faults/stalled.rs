//! A task that is stopped between the permission to ring and the dial.

use std::time::Duration;

use anyhow::{Result, ensure};
use calls::fact::Fact;
use calls::outcome::EndReason;
use jiff::Timestamp;
use rustix::process::Signal;
use tests::tls::Authority;
use tests::{LiveCall, Scene, story};

#[test]
fn it_does_not_ring_when_it_wakes_after_the_permission_has_run_out() {
    story(async |scene| {
        let (mut call, invite_by) = stopped_before_the_dial(scene).await?;
        let left = Duration::try_from(invite_by.duration_since(Timestamp::now()))?;
        tokio::time::sleep(left + Duration::from_millis(100)).await;
        call.task(0)?.signal(Signal::CONT);
        let ended = call.ends().await?;

        ended.is_failed_without_dial("bridge-error")?;
        ensure!(ended.has_fact(|fact| matches!(fact, Fact::DialClaimed)));
        ensure!(ended.has_fact(|fact| matches!(fact, Fact::DialNotSent { .. })));
        Ok(())
    });
}

#[test]
fn it_rings_when_it_wakes_in_time() {
    story(async |scene| {
        let (mut call, _) = stopped_before_the_dial(scene).await?;
        ensure!(call.dials().await?.is_empty(), "it was not stopped before the dial");
        call.task(0)?.signal(Signal::CONT);
        call.callee_hangs_up().await?;
        call.ends().await?.is_answered(EndReason::CalleeHangup)
    });
}

/// A call whose task stands still: it has the permission to ring, until when is said, and has not dialed.
async fn stopped_before_the_dial(scene: &Scene) -> Result<(LiveCall, Timestamp)> {
    // The room's websocket gets through; the dial's connection stands only after the stop.
    let authority = Authority::new(scene.dir(), "authority")?;
    let proxy = authority.proxy_for(1).await?;
    proxy.lead_to(([127, 0, 0, 1], scene.stage().stack().await.livekit().port()).into());
    let arranged = scene.arrange().profile("/livekit/url", format!("wss://{}", proxy.address()));
    let mut call = arranged.env("SSL_CERT_FILE", authority.file()?).place().await?;
    let invite_by = call.claims_the_dial().await?.invite_by;
    call.task(0)?.signal(Signal::STOP);
    proxy.let_all_through();
    Ok((call, invite_by))
}

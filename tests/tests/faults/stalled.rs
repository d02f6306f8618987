//! A task that is stopped between the permission to ring and the dial.

use std::time::Duration;

use anyhow::ensure;
use calls::fact::Fact;
use jiff::Timestamp;
use rustix::process::Signal;
use tests::story;
use tests::tls::Authority;

#[test]
fn it_does_not_ring_when_it_wakes_after_the_permission_has_run_out() {
    story(async |scene| {
        // The room's websocket gets through; the dial's connection stands only when the story says so, so
        // the stop falls before the dial for certain.
        let authority = Authority::new(scene.dir(), "authority")?;
        let proxy = authority.proxy_for(1).await?;
        proxy.lead_to(([127, 0, 0, 1], scene.stage().stack().await.livekit().port()).into());
        let mut call = scene
            .arrange()
            .profile("/livekit/url", format!("wss://{}", proxy.address()))
            .env("SSL_CERT_FILE", authority.file()?)
            .place()
            .await?;
        let invite_by = call.claims_the_dial().await?.invite_by;
        call.task(0)?.signal(Signal::STOP);
        proxy.let_all_through();
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

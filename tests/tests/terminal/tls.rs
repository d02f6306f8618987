//! Calls through TLS: `wss://` and `https://`, with an authority that only the story knows.

use anyhow::{Result, ensure};
use calls::outcome::EndReason;
use sim::stack::Recording;
use sim::ultravox::Script;
use tests::ears::seconds_of;
use tests::tls::{Authority, Proxy};
use tests::{LiveCall, Scene, agent, person, story};

#[test]
fn a_call_over_wss_and_https() {
    story(async |scene| {
        let authority = Authority::new(scene.dir(), "trusted")?;
        let (livekit, vendor) = (authority.proxy().await?, authority.proxy().await?);
        let call = place(scene, &livekit, &vendor, &authority).await?;
        call.phone("the agent is heard out", |leg| leg.heard_voice_ms > 1400).await?;
        call.callee_hangs_up().await?;
        let ended = call.ends().await?;

        ended.is_answered(EndReason::CalleeHangup)?;
        let heard = seconds_of(ended.heard()?, Recording::RATE, agent::TONE_HZ);
        ensure!((heard - 1.5).abs() < 0.15, "the callee hears {heard:.2} s");
        let (rate, agent_heard) = ended.agent_heard()?;
        let heard = seconds_of(agent_heard, rate, person::TONE_HZ);
        ensure!((heard - 1.0).abs() < 0.15, "the agent hears {heard:.2} s");
        // LiveKit: the signalling and the API. The vendor: REST and the agent's websocket.
        ensure!(livekit.handshakes() >= 2 && vendor.handshakes() >= 2);
        Ok(())
    });
}

#[test]
fn a_livekit_that_nobody_vouches_for_is_not_called() {
    story(async |scene| {
        let (trusted, other) = authorities(scene)?;
        let (livekit, vendor) = (other.proxy().await?, trusted.proxy().await?);
        let ended = place(scene, &livekit, &vendor, &trusted).await?.ends().await?;
        ended.is_failed_without_dial("livekit-unreachable")?;
        says_that_the_certificate_is_wrong(&ended.logs[0], "room-join-failed")
    });
}

#[test]
fn an_agent_that_nobody_vouches_for_gets_no_key() {
    story(async |scene| {
        let (trusted, other) = authorities(scene)?;
        let (livekit, vendor) = (trusted.proxy().await?, other.proxy().await?);
        let ended = place(scene, &livekit, &vendor, &trusted).await?.ends().await?;
        ended.is_failed_without_dial("agent-error")?;
        ensure!(vendor.handshakes() == 0 && ended.create_statuses.is_empty());
        says_that_the_certificate_is_wrong(&ended.logs[0], "agent-create-failed")
    });
}

fn authorities(scene: &Scene) -> Result<(Authority, Authority)> {
    Ok((Authority::new(scene.dir(), "trusted")?, Authority::new(scene.dir(), "other")?))
}

/// Places a call by these ways to a task that trusts one authority.
async fn place(scene: &Scene, livekit: &Proxy, vendor: &Proxy, trusted: &Authority) -> Result<LiveCall> {
    let agent = Script {
        public_url: Some(format!("wss://{}", vendor.address())),
        ..agent::who_says([agent::line(1500)])
    };
    let mut call = scene
        .arrange()
        .agent(agent)
        .profile("/livekit/url", format!("wss://{}", livekit.address()))
        .profile("/agent/callsUrl", format!("https://{}/api/calls", vendor.address()))
        .env("SSL_CERT_FILE", trusted.file()?)
        .plan()
        .await?;
    livekit.lead_to(([127, 0, 0, 1], scene.stage().stack().await.livekit().port()).into());
    vendor.lead_to(call.vendor().address());
    call.start_task()?;
    Ok(call)
}

fn says_that_the_certificate_is_wrong(log: &str, fact: &str) -> Result<()> {
    let line = log.lines().find(|line| line.contains(&format!("\"fact\":\"{fact}\"")));
    ensure!(line.is_some_and(|line| line.contains("invalid peer certificate")), "{fact}: {line:?}");
    Ok(())
}

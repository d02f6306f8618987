//! `bridge-task inbound`.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use audio::SampleRate;
use audio::levels::tone;
use calls::outcome::{EndReason, OutcomeKind};
use calls::secret::Secret;
use room_client::{AudioIn, AudioOut, Room, RoomConfig};
use rooms::{JoinToken, Livekit};
use sim::stack::{Recording, Step};
use tests::ears::{seconds_of, span_of};
use tests::{Scene, agent, person, story};

use crate::desk::Desk;

/// Where a caller is put unless another room is named.
const ROOM: &str = "asterisk-inbound-test";
const CALLER: &str = "+5521987000003";
/// The supervisor's voice.
const SUPERVISOR_HZ: f64 = 1000.0;

#[test]
fn the_agent_greets_the_caller_and_does_not_hear_the_supervisor() {
    story(async |scene| {
        let desk = Desk::with_everything(scene, agent::who_says([agent::line(1500)])).await?;
        let mut running = desk.run(&["inbound"])?;
        running.says("in room asterisk-inbound-test").await?;
        let supervisor = supervisor_joins(scene).await?;
        ensure!(desk.vendor.calls().is_empty(), "the supervisor was taken for a caller");
        let stack = scene.stage().stack().await;
        let person = person::who([Step::wait(3000), person::talk(1000), Step::wait(1000), Step::hang_up()]);
        let leg = stack.phone()?.call_in(CALLER, ROOM, &person).await?;
        let code = running.exits().await?;
        ensure!(code == Some(0), "exit code {code:?}: {}", running.log());
        desk.is_tidy(ROOM).await?;
        drop(supervisor);

        // LiveKit makes the caller's identity of the number.
        desk.shows_no(CALLER, &running)?;
        ensure!(running.log().contains("sip_+5521•••••0003"), "the caller is not told of");

        let (outcome, dial_claimed) = desk.call_folder()?;
        ensure!(outcome.outcome == OutcomeKind::Answered && !dial_claimed, "{outcome:#?}");
        ensure!(outcome.end_reason == Some(EndReason::CalleeHangup), "{outcome:#?}");
        let Recording { heard, said, .. } = stack.phone()?.recording(&leg.id).await?;
        let (greeted, _) = span_of(&heard, Recording::RATE, agent::TONE_HZ).context("no greeting")?;
        let (spoke, _) = span_of(&said, Recording::RATE, person::TONE_HZ).context("the caller is silent")?;
        ensure!(greeted < 5.0 && greeted < spoke, "greeted at {greeted:.2} s, spoke at {spoke:.2} s");
        ensure!(seconds_of(&heard, Recording::RATE, SUPERVISOR_HZ) > 1.0, "the supervisor is silent");
        let (_, rate, agent_heard) = desk.agent()?;
        let caller = seconds_of(&agent_heard, rate, person::TONE_HZ);
        ensure!((caller - 1.0).abs() < 0.15, "the agent hears {caller:.2} s of the caller's second");
        let others = seconds_of(&agent_heard, rate, SUPERVISOR_HZ);
        ensure!(others == 0.0, "the agent hears {others:.2} s of the supervisor");
        Ok(())
    });
}

/// Somebody who is no phone joins the room and talks all the time, less loudly than the agent.
async fn supervisor_joins(scene: &Scene) -> Result<(Room, AudioOut, AudioIn)> {
    let stack = scene.stage().stack().await;
    let (key, secret) = stack.livekit().credentials();
    let livekit = Livekit::new(&stack.livekit().url(), &Secret::new(key.to_owned()), secret)?;
    let (room, identity, ttl) = (ROOM, "supervisor", Duration::from_secs(60));
    let token =
        livekit.join_token(&JoinToken { room, identity, name: identity, room_metadata: None, ttl })?;
    let (room, out, audio_in, _) = Room::join(RoomConfig {
        url: stack.livekit().url(),
        token: token.expose().to_owned().into(),
        sample_rate: SampleRate::Hz16000,
        track_name: "supervisor".to_owned(),
        packet_tap: None,
    })
    .await?;
    let rate = SampleRate::Hz16000;
    out.push(out.utterance(), &tone(rate, SUPERVISOR_HZ, -24.0, rate.samples_in_ms(30_000)));
    Ok((room, out, audio_in))
}

//! The stories. 440 Hz is always ours, 660 Hz the SDK's.

use room_client::{Direction, ParticipantKind, RoomEvent};
use tests::sdk::Peer;

use super::ours::{Ours, Place, RATE, is_silent, level, place};

const OURS: f64 = 440.0;
const THEIRS: f64 = 660.0;

async fn sdk_joins(place: &Place) -> (Peer, Vec<String>) {
    Peer::join(&place.python, &place.url(), place.token("sdk").expose()).await.unwrap()
}

/// Each hears the other's tone as it was said, and nothing of its own.
async fn assert_tones_both_ways(ours: &mut Ours, sdk: &mut Peer) {
    ours.say(OURS, 20_000);
    ours.hear_until("the SDK's tone", |sound| level(sound, THEIRS) > -20.0).await;
    // The SDK's own buffer starts full of silence.
    sdk.hear(1000, &[]).await.unwrap();
    let (at_us, at_them) = tokio::join!(ours.hear(1000), sdk.hear(1000, &[OURS, THEIRS]));
    let at_them = at_them.unwrap();
    assert!((level(&at_us, THEIRS) + 12.0).abs() < 1.5, "we hear it at {:.1} dBFS", level(&at_us, THEIRS));
    assert!(level(&at_us, OURS) < -50.0, "we hear ourselves at {:.1} dBFS", level(&at_us, OURS));
    assert!((at_them.tones[0] + 12.0).abs() < 1.5, "it hears us at {:.1} dBFS", at_them.tones[0]);
    assert!(at_them.tones[1] < -50.0, "it hears itself at {:.1} dBFS", at_them.tones[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_there_already_is_met_and_tones_go_both_ways() {
    let Some(place) = place().await else { return };
    let (mut sdk, others) = sdk_joins(&place).await;
    assert!(others.is_empty());
    sdk.publish(THEIRS).await.unwrap();

    let mut ours = place.join().await;
    ours.saw("the SDK's presence", |event| {
        matches!(event, RoomEvent::ParticipantJoined { identity, kind: ParticipantKind::Standard, .. } if identity == "sdk")
    })
    .await;
    assert_eq!(sdk.event("joined").await.unwrap()["identity"], "bridge");
    assert_eq!(sdk.event("track").await.unwrap()["name"], "ultravox-agent-audio");
    assert_tones_both_ways(&mut ours, &mut sdk).await;

    ours.room.leave().await;
    assert_eq!(sdk.event("left").await.unwrap()["identity"], "bridge");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_after_us_is_met_and_tones_go_both_ways() {
    let Some(place) = place().await else { return };
    let mut ours = place.join().await;
    let (mut sdk, others) = sdk_joins(&place).await;
    assert_eq!(others, ["bridge"]);
    sdk.event("track").await.unwrap();
    sdk.publish(THEIRS).await.unwrap();
    assert_tones_both_ways(&mut ours, &mut sdk).await;

    sdk.leave().await.unwrap();
    ours.saw("the SDK's leaving", |event| {
        matches!(event, RoomEvent::ParticipantLeft { identity, reason } if identity == "sdk" && reason == "CLIENT_INITIATED")
    })
    .await;
    ours.hear_until("silence", is_silent).await;
    assert!(is_silent(&ours.hear(500).await), "who has left is silent, and the frames go on");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_mutes_is_silent_and_is_heard_again_afterwards() {
    let Some(place) = place().await else { return };
    let mut ours = place.join().await;
    let (mut sdk, _) = sdk_joins(&place).await;
    sdk.publish(THEIRS).await.unwrap();
    assert_tones_both_ways(&mut ours, &mut sdk).await;
    for _ in 0..2 {
        sdk.mute().await.unwrap();
        ours.hear_until("silence", is_silent).await;
        assert!(is_silent(&ours.hear(1500).await), "muted stays muted, and the frames go on");
        sdk.unmute().await.unwrap();
        ours.hear_until("the tone again", |sound| level(sound, THEIRS) > -14.0).await;
    }
    assert_tones_both_ways(&mut ours, &mut sdk).await;
}

/// The SDK sends RED (RFC 2198), the server forwards it, and a packet that is lost on its way to us is in the next.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_toward_us_is_in_the_next_packet_and_nothing_is_made_up_for_it() {
    let Some(mut place) = place().await else { return };
    let way = place.lossy_way().await;
    let (mut sdk, _) = sdk_joins(&place).await;
    sdk.publish(THEIRS).await.unwrap();
    let (tap, mut tapped) = tokio::sync::mpsc::channel(2000);
    let mut ours = place.join_over(way.url(), Some(tap)).await;
    ours.hear_until("the SDK's tone", |sound| level(sound, THEIRS) > -20.0).await;
    ours.hear(500).await;

    while tapped.try_recv().is_ok() {}
    let (before, lost_before) = (ours.received(), way.lost_toward_us());
    let sound = ours.hear(5000).await;
    let (after, lost) = (ours.received(), way.lost_toward_us() - lost_before);
    assert!((20..30).contains(&lost), "{lost} packets were lost on the way");
    let hop = after.hop.since(&before.hop);
    assert!(hop.recovered.abs_diff(lost) <= 1 && hop.lost == hop.recovered, "of {lost}: {hop:?}");
    // A busy machine is late with some; what is lost is one of ten.
    let frames = sound.chunks(RATE.frame_samples());
    let torn = frames.clone().filter(|frame| level(frame, THEIRS) < -15.0).count();
    assert!(torn * 20 <= frames.len(), "{torn} of {} frames are torn: {hop:?}", frames.len());

    // FEC would make sound of it, and no packet: these have no hole.
    let mut times = Vec::new();
    while let Ok(packet) = tapped.try_recv() {
        if packet.direction == Direction::FromCallee {
            times.push(packet.rtp_time);
        }
    }
    assert!(times.len() > 200, "{} packets", times.len());
    assert!(times.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == 960), "{times:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_reports_what_is_lost_of_ours_and_how_far_it_is() {
    let Some(mut place) = place().await else { return };
    let way = place.lossy_way().await;
    let mut ours = place.join_over(way.url(), None).await;
    ours.hear(10_000).await;
    let (report, lost) = (ours.report(), way.lost_toward_server());
    assert!(report.round_trip_ms.is_some_and(|ms| ms > 0.0 && ms < 1000.0), "{report:?}");
    // It tells once a second or so.
    assert!(lost > 40 && (lost - 20..=lost).contains(&report.lost), "of {lost}: {report:?}");
}

/// An SDK makes up what does not come, so what comes is counted: toward the room nothing ever pauses.
#[tokio::test(flavor = "multi_thread")]
async fn our_silence_is_fifty_packets_a_second_like_our_speech() {
    let Some(place) = place().await else { return };
    let ours = place.join().await;
    let (mut sdk, _) = sdk_joins(&place).await;
    sdk.event("track").await.unwrap();
    sdk.hear(1000, &[]).await.unwrap();

    let before = sdk.packets().await.unwrap();
    let silence = sdk.hear(2000, &[]).await.unwrap();
    let came = sdk.packets().await.unwrap() - before;
    assert!(silence.all < -70.0, "silence at {:.1} dBFS", silence.all);
    assert!((90..=115).contains(&came), "{came} packets in 2 s");

    ours.say(OURS, 5_000);
    sdk.hear(500, &[]).await.unwrap();
    let speech = sdk.hear(1000, &[OURS]).await.unwrap();
    assert!((speech.tones[0] + 12.0).abs() < 1.5, "the tone at {:.1} dBFS", speech.tones[0]);
}

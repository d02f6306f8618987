//! The client against the real livekit-server.

#![allow(missing_docs, clippy::print_stderr)]

#[path = "real_server/media_path.rs"]
mod media_path;
#[path = "real_server/rejoining.rs"]
mod rejoining;
mod support;

use std::time::Duration;

use room_client::{Direction, EndReason, JoinError, Room, RoomEvent};
use support::proxy::Proxy;
use support::server::{Media, Server, free_tcp_port, token, token_signed_with};
use support::{Client, RATE, config, join, level};
use tokio::time::Instant;

const SOON: Duration = Duration::from_secs(5);

async fn pair(url: &str, room: &str) -> (Client, Client) {
    let (a, b) = tokio::join!(join(config(url, token(room, "a"))), join(config(url, token(room, "b"))));
    (a, b)
}

fn left(identity: &str, reason: &str) -> RoomEvent {
    RoomEvent::ParticipantLeft { identity: identity.into(), reason: reason.into() }
}

fn joined(who: &str) -> impl Fn(&RoomEvent) -> Option<()> {
    move |event| {
        matches!(event, RoomEvent::ParticipantJoined { identity, .. } if identity == who).then_some(())
    }
}

fn ended(event: &RoomEvent) -> Option<EndReason> {
    if let RoomEvent::Ended { reason } = event { Some(reason.clone()) } else { None }
}

/// Both hear the other's tone and nothing of their own: in one second of three, as a machine that stands still for a moment
/// tears one, and a fault tears all.
async fn assert_tones_both_ways(a: &mut Client, b: &mut Client) {
    a.play(440.0, 9000);
    b.play(660.0, 9000);
    tokio::join!(a.hear_start_of(660.0), b.hear_start_of(440.0));
    let mut torn = Vec::new();
    for _ in 0..3 {
        let (at_a, at_b) = tokio::join!(a.hear(1000), b.hear(1000));
        let heard = [(&at_a, 660.0, 440.0), (&at_b, 440.0, 660.0)];
        match heard.into_iter().find_map(|(heard, theirs, own)| fault(heard, theirs, own)) {
            None => return,
            Some(fault) => torn.push(fault),
        }
    }
    panic!("{torn:#?}");
}

/// What is wrong with a tone; nothing of the `other` one may be there.
fn fault(heard: &[i16], theirs: f64, other: f64) -> Option<String> {
    if (level(heard, theirs) + 12.0).abs() >= 1.5 {
        return Some(format!("{theirs} Hz came at {} dBFS", level(heard, theirs)));
    }
    if level(heard, other) >= -50.0 {
        return Some(format!("{other} Hz is there, too, at {} dBFS", level(heard, other)));
    }
    holes(heard, theirs)
}

/// The tone is there in every frame; a few may be made up, as a busy machine sends a packet late.
fn holes(heard: &[i16], hz: f64) -> Option<String> {
    let levels: Vec<f64> = heard.chunks(RATE.frame_samples()).map(|frame| level(frame, hz)).collect();
    if !levels.iter().all(|&level| level > -40.0) {
        return Some(format!("a hole in {levels:.0?}"));
    }
    let weak = levels.iter().filter(|&&level| level < -15.0).count();
    (weak * 15 > levels.len()).then(|| format!("{weak} frames are made up in {levels:.0?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn two_clients_hear_each_other() {
    let Some(server) = Server::start(Media::Udp).await else { return };
    let (tap, mut tapped) = tokio::sync::mpsc::channel(1000);
    let mut tapped_config = config(&server.url(), token("r", "a"));
    tapped_config.packet_tap = Some(tap);
    let mut a = join(tapped_config).await;
    let mut b = join(config(&server.url(), token("r", "b"))).await;
    eprintln!("joined in {:?} and {:?}", a.joined_in, b.joined_in);
    a.room.listen_to("b");
    b.room.listen_to("a");
    a.audio_in.open();
    b.audio_in.open();
    a.saw(RoomEvent::TrackSubscribed { identity: "b".into() }).await;
    assert_tones_both_ways(&mut a, &mut b).await;

    let mut ways = [Vec::new(), Vec::new()];
    while let Ok(packet) = tapped.try_recv() {
        ways[usize::from(packet.direction == Direction::FromCallee)].push(packet);
    }
    for way in &ways {
        assert!(way.len() > 50, "{} packets", way.len());
        assert!(way.windows(2).all(|w| w[1].rtp_time > w[0].rtp_time && w[1].at >= w[0].at));
        assert!(way.iter().all(|p| audio::opus::packet_duration_48k(&p.payload) == Some(960)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_is_one_second_a_second_with_nobody_talking() {
    let Some(server) = Server::start(Media::Udp).await else { return };
    let mut a = join(config(&server.url(), token("r", "a"))).await;
    let nothing = tokio::time::timeout(Duration::from_millis(200), a.audio_in.recv()).await;
    assert!(nothing.is_err(), "nothing flows before it is opened");
    a.audio_in.open();
    a.hear(20).await;
    let start = Instant::now();
    assert!(a.hear(3000).await.iter().all(|&sample| sample == 0));
    let took = start.elapsed();
    assert!((2900..3150).contains(&took.as_millis()), "3 s of frames took {took:?}");
    assert_eq!(a.audio_in.dropped(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_round_trip_to_the_server_is_known_within_some_seconds() {
    let Some(server) = Server::start(Media::Udp).await else { return };
    let a = join(config(&server.url(), token("r", "a"))).await;
    let told = async {
        loop {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let report = a.out.counts().report;
            if let Some(round_trip_ms) = report.round_trip_ms {
                return (round_trip_ms, report.lost);
            }
        }
    };
    let (round_trip_ms, lost) = tokio::time::timeout(3 * SOON, told).await.expect("told within 15 s");
    eprintln!("{round_trip_ms:.3} ms to the server and back");
    assert!(round_trip_ms > 0.0 && round_trip_ms < 1000.0, "{round_trip_ms} ms");
    assert_eq!(lost, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_one_listened_to_is_heard_and_it_can_change() {
    let Some(server) = Server::start(Media::Udp).await else { return };
    let (mut a, b) = pair(&server.url(), "r").await;
    let c = join(config(&server.url(), token("r", "c"))).await;
    a.audio_in.open();
    b.play(660.0, 20_000);
    c.play(880.0, 20_000);
    assert!(a.hear(500).await.iter().all(|&sample| sample == 0), "nobody is listened to yet");
    for (identity, theirs, other) in [("b", 660.0, 880.0), ("c", 880.0, 660.0), ("b", 660.0, 880.0)] {
        a.room.listen_to(identity);
        a.saw(RoomEvent::TrackSubscribed { identity: identity.into() }).await;
        a.hear_start_of(theirs).await;
        let mut torn = Vec::new();
        while let Some(fault) = fault(&a.hear(500).await, theirs, other) {
            torn.push(fault);
            assert!(torn.len() < 3, "{identity}: {torn:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_joins_late_and_again_is_heard() {
    let Some(server) = Server::start(Media::Udp).await else { return };
    let mut a = join(config(&server.url(), token("r", "a"))).await;
    a.room.listen_to("b");
    a.audio_in.open();
    a.hear(300).await;
    for _ in 0..2 {
        let b = join(config(&server.url(), token("r", "b"))).await;
        b.play(660.0, 5000);
        a.event(SOON, joined("b")).await;
        a.saw(RoomEvent::TrackSubscribed { identity: "b".into() }).await;
        a.hear_start_of(660.0).await;
        b.room.leave().await;
        a.saw(left("b", "CLIENT_INITIATED")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_room_ends_for_everybody() {
    let Some(server) = Server::start(Media::Udp).await else { return };
    let (mut a, mut b) = pair(&server.url(), "r").await;
    b.play(440.0, 60_000);
    a.audio_in.open();
    let start = Instant::now();
    server.delete_room("r").await;
    assert_eq!(a.event(SOON, ended).await, EndReason::RoomDeleted);
    eprintln!("DeleteRoom to Ended: {:?}", start.elapsed());
    assert_eq!(b.event(SOON, ended).await, EndReason::RoomDeleted);
    tokio::time::timeout(SOON, async { while a.audio_in.recv().await.is_some() {} })
        .await
        .expect("the stream ends");
    tokio::time::timeout(SOON, b.out.drained()).await.expect("nobody waits for what is not sent");
    assert_eq!(a.events.recv().await, None, "Ended is the last event, and comes once");
}

#[tokio::test(flavor = "multi_thread")]
async fn leaving_is_seen_at_once_by_both_sides() {
    let Some(server) = Server::start(Media::Udp).await else { return };
    let (mut a, b) = pair(&server.url(), "r").await;
    let mut b_events = b.events;
    // A participant that has not published yet is announced, and missed, up to 3 s late.
    a.room.listen_to("b");
    a.saw(RoomEvent::TrackSubscribed { identity: "b".into() }).await;
    let start = Instant::now();
    b.room.leave().await;
    eprintln!("left in {:?}", start.elapsed());
    a.saw(left("b", "CLIENT_INITIATED")).await;
    assert!(start.elapsed() < Duration::from_secs(1));
    let mut last = None;
    while let Some(event) = b_events.recv().await {
        last = Some(event);
    }
    assert_eq!(last, Some(RoomEvent::Ended { reason: EndReason::Left }));
    drop(a.room);
    let reason = tokio::time::timeout(SOON, async {
        loop {
            let event = a.events.recv().await.expect("an end");
            if let Some(reason) = ended(&event) {
                return reason;
            }
        }
    });
    assert_eq!(reason.await.expect("dropping leaves too"), EndReason::Left);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_sender_sends_nothing_any_more_the_stream_goes_on_one_second_a_second() {
    let Some(server) = Server::start(Media::Udp).await else { return };
    let (mut a, b) = pair(&server.url(), "r").await;
    a.room.listen_to("b");
    a.audio_in.open();
    b.play(660.0, 20_000);
    a.hear_start_of(660.0).await;
    b.room.leave().await;
    a.saw(left("b", "CLIENT_INITIATED")).await;
    a.hear(500).await;
    let (start, before) = (Instant::now(), a.audio_in.counts().now().hop);
    assert!(a.hear(3000).await.iter().all(|&sample| sample == 0));
    let took = start.elapsed();
    assert!((2900..3150).contains(&took.as_millis()), "3 s of frames took {took:?}");
    let hop = a.audio_in.counts().now().hop.since(&before);
    assert_eq!((hop.lost, hop.concealed), (0, 0), "silence is no loss: {hop:?}");
    assert!(hop.frames.abs_diff(hop.silent) == 0 && hop.frames >= 149, "{hop:?}");
    // And it is heard at once when it is there again.
    let b = join(config(&server.url(), token("r", "b"))).await;
    b.play(880.0, 5_000);
    a.hear_start_of(880.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_client_under_our_identity_ends_us() {
    let Some(server) = Server::start(Media::Udp).await else { return };
    let mut first = join(config(&server.url(), token("r", "a"))).await;
    let mut second = join(config(&server.url(), token("r", "a"))).await;
    assert_eq!(first.event(SOON, ended).await, EndReason::DuplicateIdentity);
    second.audio_in.open();
    second.hear(100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_and_a_wrong_port_are_told_apart() {
    let nobody = format!("ws://127.0.0.1:{}", free_tcp_port());
    let unreachable = Room::join(config(&nobody, token("r", "a"))).await.err().expect("no server");
    assert!(matches!(unreachable, JoinError::Unreachable(_)), "{unreachable}");
    assert!(unreachable.may_be_tried_again());

    let Some(server) = Server::start(Media::Udp).await else { return };
    let forged = token_signed_with(&"f".repeat(32), "r", "a");
    let refused = Room::join(config(&server.url(), forged.clone())).await.err().expect("refused");
    assert!(matches!(refused, JoinError::Auth(_)), "{refused}");
    assert!(!refused.may_be_tried_again());
    assert!(!refused.to_string().contains(&forged));
    // An http URL is as good as ws.
    join(config(&server.url().replace("ws:", "http:"), token("r", "a"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn media_goes_over_tcp_where_there_is_no_udp() {
    let Some(server) = Server::start(Media::TcpOnly).await else { return };
    let (mut a, mut b) = pair(&server.url(), "r").await;
    eprintln!("joined over TCP in {:?}", a.joined_in);
    a.room.listen_to("b");
    b.room.listen_to("a");
    a.audio_in.open();
    b.audio_in.open();
    assert_tones_both_ways(&mut a, &mut b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_websocket_is_resumed_and_costs_no_sound() {
    let Some(server) = Server::start(Media::Udp).await else { return };
    let proxy = Proxy::start(server.address).await;
    let mut a = join(config(&format!("ws://{}", proxy.address), token("r", "a"))).await;
    let b = join(config(&server.url(), token("r", "b"))).await;
    let c = join(config(&server.url(), token("r", "c"))).await;
    a.room.listen_to("b");
    a.audio_in.open();
    b.play(660.0, 20_000);
    a.hear_start_of(660.0).await;

    // A short cut: nobody notices but the events.
    proxy.cut();
    a.saw(RoomEvent::Reconnecting).await;
    proxy.mend();
    let start = Instant::now();
    a.saw(RoomEvent::Resumed).await;
    eprintln!("resumed in {:?}", start.elapsed());

    // A longer one, during which somebody leaves and somebody comes, and we change our mind.
    proxy.cut();
    a.saw(RoomEvent::Reconnecting).await;
    c.room.leave().await;
    let d = join(config(&server.url(), token("r", "d"))).await;
    d.play(880.0, 20_000);
    let mut torn = Vec::new();
    for _ in 0..3 {
        torn.extend(holes(&a.hear(1000).await, 660.0));
    }
    assert!(torn.len() < 3, "a machine that stands still tears a second, a gap all: {torn:#?}");
    a.room.listen_to("d");
    proxy.mend();
    a.saw(RoomEvent::Resumed).await;
    a.saw(left("c", "UNKNOWN_REASON")).await;
    a.saw(RoomEvent::TrackSubscribed { identity: "d".into() }).await;
    a.hear_start_of(880.0).await;

    // And the session is a whole one again.
    server.delete_room("r").await;
    assert_eq!(a.event(SOON, ended).await, EndReason::RoomDeleted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_media_path_that_was_lost_is_found_again() {
    let Some(server) = Server::start(Media::Udp).await else { return };
    let (mut a, mut b) = pair(&server.url(), "r").await;
    a.room.listen_to("b");
    b.room.listen_to("a");
    a.audio_in.open();
    b.audio_in.open();
    assert_tones_both_ways(&mut a, &mut b).await;
    server.freeze(true);
    for client in [&mut a, &mut b] {
        let lost = |event: &RoomEvent| (*event == RoomEvent::Reconnecting).then_some(());
        client.event(Duration::from_secs(8), lost).await;
    }
    server.freeze(false);
    a.saw(RoomEvent::Resumed).await;
    b.saw(RoomEvent::Resumed).await;
    a.out.clear();
    b.out.clear();
    // Sound from before the freeze is still on its way.
    tokio::join!(a.hear(500), b.hear(500));
    assert_tones_both_ways(&mut a, &mut b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_dies_ends_the_session() {
    let Some(mut server) = Server::start(Media::Udp).await else { return };
    let mut a = join(config(&server.url(), token("r", "a"))).await;
    let start = Instant::now();
    server.kill();
    a.saw(RoomEvent::Reconnecting).await;
    let reason = a.event(Duration::from_secs(15), ended).await;
    eprintln!("server killed to Ended ({reason}): {:?}", start.elapsed());
    assert!(matches!(reason, EndReason::SignalLost(_) | EndReason::MediaLost(_)), "{reason}");
}

//! The way of the sound, apart from that of the signalling.

use livekit_protocol as proto;
use livekit_protocol::signal_response::Message as Response;

use super::rejoining::{hear_each_other_again, keep, rejoined};
use super::*;
use crate::support::gate::Gate;
use crate::support::relay::Relay;

/// Nobody answers there.
const NOWHERE: u16 = 9;

/// The server's UDP candidates lead to this port.
fn with_udp_at(port: u16, response: &mut proto::SignalResponse) {
    let moved = |text: &mut String| {
        let lines = text.split("\r\n").map(|line| match line.split(' ').collect::<Vec<_>>().as_mut_slice() {
            fields if fields.len() > 5 && line.contains("candidate:") && fields[2] == "udp" => {
                let port = port.to_string();
                fields[5] = &port;
                fields.join(" ")
            }
            _ => line.to_owned(),
        });
        *text = lines.collect::<Vec<_>>().join("\r\n");
    };
    match &mut response.message {
        Some(Response::Answer(answer)) => moved(&mut answer.sdp),
        Some(Response::Trickle(trickle)) => {
            let mut init: serde_json::Value = serde_json::from_str(&trickle.candidate_init).expect("JSON");
            let mut candidate = init["candidate"].as_str().unwrap_or_default().to_owned();
            moved(&mut candidate);
            init["candidate"] = candidate.into();
            trickle.candidate_init = init.to_string();
        }
        _ => {}
    }
}

/// Who signals through a relay and hears through a gate, and who goes straight to the server.
async fn behind_a_gate(server: &Server) -> (Gate, Client, Client) {
    let gate = Gate::start(server.udp).await;
    let port = gate.port;
    let relay = Relay::start(server.address, move |response| with_udp_at(port, response)).await;
    let mut a = join(config(&format!("ws://{}", relay.address), token("r", "a"))).await;
    let mut b = join(config(&server.url(), token("r", "b"))).await;
    keep(&a, "a");
    a.room.listen_to("b");
    b.room.listen_to("a");
    a.audio_in.open();
    b.audio_in.open();
    assert_tones_both_ways(&mut a, &mut b).await;
    (gate, a, b)
}

#[tokio::test(flavor = "multi_thread")]
async fn media_goes_over_tcp_where_udp_is_blocked() {
    let Some(server) = Server::start(Media::Both).await else { return };
    let relay = Relay::start(server.address, |response| with_udp_at(NOWHERE, response)).await;
    let mut a = join(config(&format!("ws://{}", relay.address), token("r", "a"))).await;
    assert!(a.joined_in >= Duration::from_millis(250), "UDP was to be tried first: {:?}", a.joined_in);
    let mut b = join(config(&server.url(), token("r", "b"))).await;
    a.room.listen_to("b");
    b.room.listen_to("a");
    a.audio_in.open();
    b.audio_in.open();
    assert_tones_both_ways(&mut a, &mut b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_media_path_that_opens_again_in_time_brings_the_sound_back() {
    let Some(server) = Server::start(Media::UdpLite).await else { return };
    let (gate, mut a, mut b) = behind_a_gate(&server).await;
    gate.shut();
    a.event(Duration::from_secs(8), |event| (*event == RoomEvent::Reconnecting).then_some(())).await;
    // Whether the server has given the session up by then is its business: the sound comes back either way.
    tokio::time::sleep(Duration::from_secs(12)).await;
    gate.open();
    let back = |event: &RoomEvent| (*event == RoomEvent::Resumed || rejoined(event).is_some()).then_some(());
    a.event(Duration::from_secs(15), back).await;
    hear_each_other_again(&mut a, &mut b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_media_path_that_is_lost_for_good_ends_the_session_though_the_server_can_be_reached() {
    let Some(server) = Server::start(Media::UdpLite).await else { return };
    let (gate, mut a, _b) = behind_a_gate(&server).await;
    gate.shut();
    let lost = Instant::now();
    let reason = a.event(Duration::from_secs(60), ended).await;
    let took = lost.elapsed();
    eprintln!("nothing gets through to Ended ({reason}): {took:?}");
    assert!(matches!(reason, EndReason::MediaLost(_) | EndReason::ServerGone(_)), "{reason}");
    assert!(took < Duration::from_secs(45), "a person who hears nothing for so long has hung up: {took:?}");
}

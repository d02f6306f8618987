//! A session that is lost for good, and joined anew.

use livekit_protocol as proto;
use livekit_protocol::leave_request::Action;
use livekit_protocol::signal_response::Message as Response;
use room_client::Rejoin;

use super::*;
use crate::support::relay::Relay;

pub(crate) fn keep(client: &Client, identity: &'static str) {
    client.room.rejoin_when_lost(Rejoin::new(move || async move { Ok(token("r", identity).into()) }));
}

pub(crate) fn rejoined(event: &RoomEvent) -> Option<Duration> {
    if let RoomEvent::Rejoined { away } = event { Some(*away) } else { None }
}

/// Both joined, each hears the other, and stays whatever happens.
async fn pair_that_stays(url_of_a: &str, url_of_b: &str) -> (Client, Client) {
    let (a, b) =
        tokio::join!(join(config(url_of_a, token("r", "a"))), join(config(url_of_b, token("r", "b"))));
    keep(&a, "a");
    keep(&b, "b");
    a.room.listen_to("b");
    b.room.listen_to("a");
    a.audio_in.open();
    b.audio_in.open();
    (a, b)
}

pub(crate) async fn hear_each_other_again(a: &mut Client, b: &mut Client) {
    a.out.clear();
    b.out.clear();
    // Sound from before is still on its way.
    tokio::join!(a.hear(500), b.hear(500));
    assert_tones_both_ways(a, b).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_restarts_is_joined_anew_and_the_sound_goes_on() {
    let Some(mut server) = Server::start(Media::Udp).await else { return };
    let (mut a, mut b) = pair_that_stays(&server.url(), &server.url()).await;
    assert_tones_both_ways(&mut a, &mut b).await;
    for (client, hz) in [(&a, 440.0), (&b, 660.0)] {
        client.out.clear();
        client.play(hz, 50_000);
    }

    let start = Instant::now();
    let (at_a, ..) = tokio::join!(a.hear(15_000), b.hear(15_000), server.restart());
    let took = start.elapsed();
    assert!((14_800..16_000).contains(&took.as_millis()), "15 s of frames took {took:?}");
    assert_eq!(a.audio_in.dropped(), 0);
    let levels: Vec<f64> = at_a.chunks(RATE.samples_in_ms(100)).map(|piece| level(piece, 660.0)).collect();
    assert!(levels.iter().any(|&level| level < -100.0), "no silence in {levels:.0?}");
    assert!((level(&at_a[RATE.samples_in_ms(14_000)..], 660.0) + 12.0).abs() < 1.5, "{levels:.0?}");
    // The agent's queue went on in its own time.
    assert!((30_000..36_000).contains(&a.out.queued_ms()), "{} ms are queued", a.out.queued_ms());

    for (client, other) in [(&mut a, "b"), (&mut b, "a")] {
        client.saw(RoomEvent::Reconnecting).await;
        let away = client.event(SOON, rejoined).await;
        eprintln!("away for {away:?}");
        client.event(SOON, joined(other)).await;
        client.saw(RoomEvent::TrackSubscribed { identity: other.into() }).await;
    }
    hear_each_other_again(&mut a, &mut b).await;

    // And the session is a whole one again.
    server.delete_room("r").await;
    assert_eq!(a.event(SOON, ended).await, EndReason::RoomDeleted);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_another_session_gets_one() {
    let Some(server) = Server::start(Media::Udp).await else { return };
    let relay = Relay::start(server.address, |_| {}).await;
    let (mut a, mut b) = pair_that_stays(&format!("ws://{}", relay.address), &server.url()).await;
    assert_tones_both_ways(&mut a, &mut b).await;
    for _ in 0..2 {
        relay.say(Response::Leave(proto::LeaveRequest {
            action: Action::Reconnect as i32,
            ..proto::LeaveRequest::default()
        }));
        a.saw(RoomEvent::Reconnecting).await;
        let away = a.event(SOON, rejoined).await;
        eprintln!("away for {away:?}");
        a.event(SOON, joined("b")).await;
        a.saw(RoomEvent::TrackSubscribed { identity: "b".into() }).await;
        hear_each_other_again(&mut a, &mut b).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_by_somebodys_wish_is_not_joined_anew() {
    let Some(server) = Server::start(Media::Udp).await else { return };
    let (mut a, b) = pair_that_stays(&server.url(), &server.url()).await;
    let second = join(config(&server.url(), token("r", "a"))).await;
    assert_eq!(a.event(SOON, ended).await, EndReason::DuplicateIdentity);
    drop(b);
    let mut second = second;
    keep(&second, "a");
    server.delete_room("r").await;
    assert_eq!(second.event(SOON, ended).await, EndReason::RoomDeleted);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(server.room_names().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_that_is_deleted_while_we_are_away_is_not_brought_back() {
    let Some(server) = Server::start(Media::Udp).await else { return };
    let proxy = Proxy::start(server.address).await;
    let mut a = join(config(&format!("ws://{}", proxy.address), token("r", "a"))).await;
    keep(&a, "a");
    proxy.cut();
    a.saw(RoomEvent::Reconnecting).await;
    server.delete_room("r").await;
    // The media says so while the signalling is still away. (A resume that reaches the server first would be refused, and
    // `keep` joins without a look.)
    let reason = a.event(SOON, ended).await;
    assert!(matches!(reason, EndReason::MediaLost(_)), "{reason}");
    proxy.mend();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(server.room_names().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_leaves_while_being_away_does_not_come_back() {
    let Some(mut server) = Server::start(Media::Udp).await else { return };
    let mut a = join(config(&server.url(), token("r", "a"))).await;
    keep(&a, "a");
    server.kill();
    // Until the session itself is given up.
    a.saw(RoomEvent::Reconnecting).await;
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert!(!a.room.leave().await, "it was away");
    assert_eq!(a.event(SOON, ended).await, EndReason::Left);
    server.restart().await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert!(server.room_names().await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_let_in_again_has_lost_the_session() {
    let Some(mut server) = Server::start(Media::Udp).await else { return };
    let mut a = join(config(&server.url(), token("r", "a"))).await;
    let refused = || async { Err(JoinError::Other("the call is over".to_owned())) };
    a.room.rejoin_when_lost(Rejoin::new(refused));
    server.restart().await;
    let reason = a.event(Duration::from_secs(15), ended).await;
    assert!(matches!(reason, EndReason::ServerGone(_) | EndReason::MediaLost(_)), "{reason}");
}

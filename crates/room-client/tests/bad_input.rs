//! A server that speaks the websocket and lies: joining it fails, soon, and never by a broken task of ours.

#![allow(clippy::unwrap_used)]

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use audio::SampleRate;
use bad_input::{Change, changed};
use bolero::TypeGenerator;
use futures_util::{SinkExt, StreamExt};
use livekit_protocol as proto;
use livekit_protocol::signal_response::Message as Response;
use prost::Message as _;
use room_client::{JoinError, Room, RoomConfig};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

const WORDS: &[&[u8]] = &[
    b"\x00",
    b"\x0a\x00",
    b"\x12\x00",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x80",
    b"\x0b",
    b"\xed\xa0\x80",
    b"\x58\x00",
    b"\x50\x00",
    b"\x58\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
];

#[derive(Clone, Debug, TypeGenerator)]
enum Sent {
    /// The answer to the join, changed.
    Join(Vec<Change>),
    Binary(Vec<u8>),
    Text(String),
    Ping(Vec<u8>),
    /// Bytes that are no websocket frame, or a strange one.
    Raw(Vec<u8>),
}

fn response(message: Response) -> Vec<u8> {
    proto::SignalResponse { message: Some(message) }.encode_to_vec()
}

fn join(ping_interval: i32, ping_timeout: i32) -> Vec<u8> {
    let us =
        proto::ParticipantInfo { identity: "us".to_owned(), sid: "PA_0".to_owned(), ..Default::default() };
    let other = proto::ParticipantInfo {
        identity: "callee".to_owned(),
        sid: "PA_1".to_owned(),
        ..Default::default()
    };
    response(Response::Join(proto::JoinResponse {
        participant: Some(us),
        other_participants: vec![other],
        ping_interval,
        ping_timeout,
        ..Default::default()
    }))
}

async fn send(socket: &mut WebSocketStream<TcpStream>, sent: &Sent) {
    // The other side may have had enough by now.
    let _ = match sent {
        Sent::Join(changes) => {
            socket.send(Message::Binary(changed(&join(5, 15), changes, WORDS).into())).await
        }
        Sent::Binary(bytes) => socket.send(Message::Binary(bytes.clone().into())).await,
        Sent::Text(text) => socket.send(Message::Text(text.clone().into())).await,
        Sent::Ping(bytes) => socket.send(Message::Ping(bytes[..bytes.len().min(125)].to_vec().into())).await,
        Sent::Raw(bytes) => socket.get_mut().write_all(bytes).await.map_err(Into::into),
    };
}

/// Joins a server that sends this and hangs up.
async fn joined(all: &[Sent]) -> JoinError {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let config = RoomConfig {
        url: format!("ws://{}", listener.local_addr().unwrap()),
        token: "token".to_owned().into(),
        sample_rate: SampleRate::Hz16000,
        track_name: "agent".to_owned(),
        packet_tap: None,
    };
    let serve = async {
        let (stream, _) = listener.accept().await.unwrap();
        let mut socket = tokio_tungstenite::accept_async(stream).await.unwrap();
        for sent in all {
            send(&mut socket, sent).await;
        }
        // Where it has sent the head of a frame, its goodbye is taken for the rest: only the end of all is sure.
        let _ = socket.close(None).await;
        let _ = socket.get_mut().shutdown().await;
        let read_all = async { while let Some(Ok(_)) = socket.next().await {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), read_all).await;
        drop(listener);
    };
    let join = tokio::time::timeout(Duration::from_secs(5), Room::join(config));
    let (joined, ()) = tokio::join!(join, serve);
    match joined.expect("joining ends when the server hangs up") {
        Ok(_) => panic!("joined without a media connection"),
        Err(error) => error,
    }
}

/// What is said where a task has ended without a word, which is a panic of ours or of a library.
fn is_broken(error: &JoinError) -> bool {
    matches!(error, JoinError::Other(why) if why.contains("ended while joining"))
}

#[test]
fn whatever_the_server_sends_joining_fails_in_order() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let runtime = AssertUnwindSafe(&runtime);
    let run = bolero::check!().with_test_time(Duration::from_secs(8)).with_type::<(bool, Vec<Sent>)>();
    run.for_each(|(joins, all)| {
        let all = if *joins { [&[Sent::Join(Vec::new())], all.as_slice()].concat() } else { all.clone() };
        let error = runtime.block_on(joined(&all));
        assert!(!is_broken(&error), "{error}");
    });
}

#[tokio::test]
async fn a_server_whose_pings_have_no_time_is_not_joined() {
    for (interval, timeout) in [(0, 15), (5, 0), (-1, -1)] {
        let error = joined(&[Sent::Binary(join(interval, timeout)), Sent::Binary(join(5, 15))]).await;
        assert!(!is_broken(&error), "{error}");
        assert!(matches!(error, JoinError::Unreachable(_)), "{error}");
    }
}

#[tokio::test]
async fn a_message_beyond_every_measure_ends_the_connection() {
    let large = response(Response::RefreshToken("x".repeat(1 << 20)));
    let error = joined(&[Sent::Join(Vec::new()), Sent::Binary(large)]).await;
    assert!(matches!(error, JoinError::Unreachable(_)), "{error}");
}

//! Whatever comes over the websocket, in whatever order: a session goes on or ends, and stays small.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;

use ::bad_input::{Change, changed, within};
use bolero::TypeGenerator;
use futures_util::{SinkExt as _, StreamExt as _};
use prost::Message as _;
use tokio_tungstenite::tungstenite::Message as Frame;

use super::*;

/// What a session may hold beside the message at hand, which unpacked is some hundred times as large.
const MEMORY: usize = 256 << 10;
const MEMORY_PER_BYTE: usize = 1024;

const WORDS: &[&[u8]] = &[
    b"\x00",
    b"\x0a\x00",
    b"\x12\x00",
    b"\x22\x00",
    b"\x0a\xff\xff\xff\xff\x0f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\x80",
    b"\x0b",
    b"\x0c",
    b"us",
    b"callee",
    b"PA_1",
    b"TR_1",
    b"sip.callStatus",
    b"active",
    b"{\"candidate\":\"candidate:1\"}",
    b"{",
    b"\xed\xa0\x80",
];

#[derive(Clone, Debug, TypeGenerator)]
enum Said {
    /// A message as a server would send it, its bytes changed.
    Message(u8, Vec<Change>),
    Update(Vec<Who>),
    Answer(u32, Vec<(String, String)>),
    Trickle(String),
    Sections(u32),
    Leave(i32, i32),
    Data(Vec<u8>),
    ListenTo(u8),
    Media(u8),
    Lost,
}

/// A participant as the server describes it.
#[derive(Clone, Debug, TypeGenerator)]
struct Who {
    name: u8,
    sid: u8,
    version: u32,
    state: i32,
    kind: i32,
    left: i32,
    status: Option<String>,
    tracks: Vec<(u8, i8)>,
}

const NAMES: [&str; 4] = ["us", "callee", "other", ""];

impl Who {
    fn info(&self) -> proto::ParticipantInfo {
        let tracks = self.tracks.iter().map(|(sid, kind)| proto::TrackInfo {
            sid: format!("TR_{}", sid % 4),
            r#type: i32::from(*kind),
            ..Default::default()
        });
        proto::ParticipantInfo {
            identity: name(self.name),
            sid: format!("PA_{}", self.sid % 4),
            version: self.version,
            state: self.state % 6,
            kind: self.kind % 12,
            disconnect_reason: self.left % 24,
            attributes: self.status.iter().map(|s| ("sip.callStatus".to_owned(), s.clone())).collect(),
            tracks: tracks.collect(),
            ..Default::default()
        }
    }
}

fn name(which: u8) -> String {
    NAMES[usize::from(which) % NAMES.len()].to_owned()
}

/// One of each kind that means something to us.
fn messages() -> Vec<Vec<u8>> {
    let who = Who {
        name: 1,
        sid: 1,
        version: 1,
        state: 2,
        kind: 3,
        left: 0,
        status: Some("active".into()),
        tracks: vec![(1, 0)],
    };
    let answer = proto::SessionDescription {
        id: FIRST_OFFER,
        mid_to_track_id: HashMap::from([("1".to_owned(), "TR_1".to_owned())]),
        ..description("answer", "v=0\r\n".to_owned(), FIRST_OFFER)
    };
    let trickle = proto::TrickleRequest {
        candidate_init: "{\"candidate\":\"candidate:1\"}".to_owned(),
        ..Default::default()
    };
    let leave = proto::LeaveRequest { action: 1, reason: 5, ..Default::default() };
    let track = proto::TrackInfo { sid: "TR_0".to_owned(), ..Default::default() };
    [
        Response::Update(proto::ParticipantUpdate { participants: vec![who.info(), who.info()] }),
        Response::Answer(answer),
        Response::Trickle(trickle),
        Response::Leave(leave),
        Response::TrackPublished(proto::TrackPublishedResponse {
            cid: "agent-audio".to_owned(),
            track: Some(track),
        }),
        Response::MediaSectionsRequirement(proto::MediaSectionsRequirement { num_audios: 1, num_videos: 0 }),
        Response::RefreshToken("token".to_owned()),
        Response::PongResp(proto::Pong { last_ping_timestamp: 1, timestamp: 2 }),
    ]
    .map(|message| proto::SignalResponse { message: Some(message) }.encode_to_vec())
    .into()
}

/// A session in which nothing runs by itself, its channels in our hands.
struct Stage {
    session: Session,
    to_media: mpsc::UnboundedReceiver<MediaCommand>,
    events: mpsc::UnboundedReceiver<RoomEvent>,
    _others: (mpsc::UnboundedSender<Notice>, mpsc::UnboundedSender<Command>),
}

impl Stage {
    fn new(signal: Signal) -> Self {
        let (to_media, media) = mpsc::unbounded_channel();
        let (notices, from_media) = mpsc::unbounded_channel();
        let (commands, from_user) = mpsc::unbounded_channel();
        let (tell, events) = mpsc::unbounded_channel();
        let wires = Wires { incoming: Incomings::none(), to_media, from_media, from_user, events: tell };
        let us = proto::ParticipantInfo { identity: "us".to_owned(), ..Default::default() };
        let join = proto::JoinResponse { participant: Some(us), ..Default::default() };
        let offer = description("offer", String::new(), FIRST_OFFER);
        let entry = Entry { url: String::new(), track_name: String::new() };
        let session = Session::new(entry, signal, join, offer, wires, oneshot::channel().0, clock::now());
        Self { session, to_media: media, events, _others: (notices, commands) }
    }

    async fn hear(&mut self, said: &Said, messages: &[Vec<u8>]) {
        let session = &mut self.session;
        match said {
            Said::Message(which, changes) => {
                let bytes = changed(&messages[usize::from(*which) % messages.len()], changes, WORDS);
                if let Ok(proto::SignalResponse { message: Some(message) }) =
                    proto::SignalResponse::decode(bytes.as_slice())
                {
                    session.on_message(message).await;
                }
            }
            Said::Update(all) => session.on_update(all.iter().map(Who::info).collect()).await,
            Said::Answer(id, sections) => {
                let mid_to_track_id = sections.iter().cloned().collect();
                let answer = description("answer", String::new(), id % 3);
                session.on_answer(proto::SessionDescription { mid_to_track_id, ..answer });
            }
            Said::Trickle(candidate_init) => {
                let candidate_init = candidate_init.clone();
                session.on_trickle(&proto::TrickleRequest { candidate_init, ..Default::default() });
            }
            Said::Sections(num_audios) => {
                let needed =
                    proto::MediaSectionsRequirement { num_audios: *num_audios, ..Default::default() };
                session.on_message(Response::MediaSectionsRequirement(needed)).await;
            }
            Said::Leave(reason, action) => {
                let leave =
                    proto::LeaveRequest { reason: reason % 24, action: action % 4, ..Default::default() };
                session.on_message(Response::Leave(leave)).await;
            }
            Said::Data(data) => session.on_data(data),
            Said::ListenTo(which) => session.on_command(Some(Command::ListenTo(name(*which)))).await,
            Said::Media(which) => {
                let notices = [
                    Some(Notice::Connected),
                    Some(Notice::Disconnected),
                    Some(Notice::Closed),
                    Some(Notice::Offer(String::new())),
                    Some(Notice::Failed(String::new())),
                    None,
                ];
                let which = usize::from(*which) % notices.len();
                session.on_notice(notices.into_iter().nth(which).flatten()).await;
            }
            Said::Lost => session.on_lost("gone".to_owned()),
        }
        while self.to_media.try_recv().is_ok() {}
        while let Ok(event) = self.events.try_recv() {
            assert!(!matches!(event, RoomEvent::Ended { .. }), "told once, at the very end");
        }
    }
}

/// A signalling connection to a server that joins us, and then listens only.
async fn connected() -> Signal {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("ws://{}", listener.local_addr().expect("its address"));
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("accepted");
        let mut socket = tokio_tungstenite::accept_async(stream).await.expect("a websocket");
        let join = proto::JoinResponse { ping_interval: 3600, ping_timeout: 3600, ..Default::default() };
        let join = proto::SignalResponse { message: Some(Response::Join(join)) }.encode_to_vec();
        socket.send(Frame::Binary(join.into())).await.expect("sent");
        while let Some(Ok(_)) = socket.next().await {}
    });
    let offer = description("offer", String::new(), FIRST_OFFER);
    let Ok((signal, ..)) = Signal::connect(&url, "token", offer).await else { panic!("not joined") };
    signal
}

#[test]
fn whatever_the_server_says_a_session_goes_on_or_ends() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let signal = runtime.block_on(connected());
    let messages = messages();
    // Bolero wants to unwind over all that is used here; what is broken then is not used again.
    let (runtime, signal) = (AssertUnwindSafe(&runtime), AssertUnwindSafe(&signal));
    bolero::check!().with_test_time(Duration::from_secs(8)).with_type::<Vec<Said>>().for_each(|all| {
        let bytes = all.iter().map(|said| format!("{said:?}").len()).sum::<usize>();
        within(MEMORY + bytes * MEMORY_PER_BYTE, || {
            runtime.block_on(async {
                let mut stage = Stage::new(Signal::clone(&signal));
                for said in all {
                    stage.hear(said, &messages).await;
                }
            });
        });
    });
}

#[test]
fn any_bytes_are_a_message_or_none() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let signal = runtime.block_on(connected());
    let (runtime, signal) = (AssertUnwindSafe(&runtime), AssertUnwindSafe(&signal));
    bolero::check!().with_test_time(Duration::from_secs(2)).for_each(|bytes: &[u8]| {
        within(MEMORY + bytes.len() * MEMORY_PER_BYTE, || {
            let Ok(proto::SignalResponse { message: Some(message) }) = proto::SignalResponse::decode(bytes)
            else {
                return;
            };
            runtime.block_on(Stage::new(Signal::clone(&signal)).session.on_message(message));
        });
    });
}

#[test]
fn a_room_of_strangers_without_end_is_not_remembered() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let signal = runtime.block_on(connected());
    within(8 << 20, || {
        runtime.block_on(async {
            let mut stage = Stage::new(signal);
            for n in 0..20_000 {
                let sid = format!("PA_{n}");
                let info = proto::ParticipantInfo {
                    identity: format!("{n}{}", "x".repeat(1000)),
                    sid,
                    ..Default::default()
                };
                stage.session.on_update(vec![info]).await;
                while stage.events.try_recv().is_ok() {}
            }
        });
    });
}

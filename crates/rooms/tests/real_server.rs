//! Against a real livekit-server. `LIVEKIT_SERVER` names its binary; without it these tests are
//! skipped, and say so, but on CI (`CI` set) a missing server is a failure.
#![allow(clippy::unwrap_used, clippy::print_stderr)]
#![expect(clippy::disallowed_methods, reason = "the test is told where the server is")]

use std::collections::HashMap;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use calls::ids::{AttemptId, CallKey};
use calls::phone::PhoneNumber;
use calls::secret::Secret;
use calls::sip_outcome::{DialFailure, NotSent};
use jiff::Timestamp;
use rooms::{DialRequest, JoinToken, Livekit, RoomMetadata, RoomsError};

const KEY: &str = "devkey";
const SECRET: &str = "not-a-secret-only-for-this-test-0123456789";

struct Server {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A server without Redis, hence without SIP. `None`: there is no binary here.
async fn server() -> Option<Server> {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let Some(binary) = std::env::var_os("LIVEKIT_SERVER").map(PathBuf::from) else {
        assert!(std::env::var_os("CI").is_none(), "LIVEKIT_SERVER must be set on CI");
        // Not by eprintln: the test harness would keep it to itself.
        let _ =
            writeln!(std::io::stderr(), "SKIPPED: set LIVEKIT_SERVER to the path of a livekit-server binary");
        return None;
    };
    let (port, udp, tcp) = (free_port(), free_port(), free_port());
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("livekit.yaml");
    let text = format!(
        "port: {port}\nbind_addresses: [\"127.0.0.1\"]\nkeys: {{ {KEY}: \"{SECRET}\" }}\n\
         rtc:\n  use_external_ip: false\n  node_ip: 127.0.0.1\n  enable_loopback_candidate: true\n  \
         udp_port: {udp}\n  tcp_port: {tcp}\n  stun_servers: [\"127.0.0.1:1\"]\n\
         logging: {{ level: error }}\n"
    );
    std::fs::write(&config, text).unwrap();
    let child = Command::new(binary)
        .arg("--config")
        .arg(&config)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let server = Server { child, url: format!("ws://127.0.0.1:{port}"), _folder: folder };
    let livekit = livekit(&server.url, SECRET);
    for _ in 0..100 {
        if livekit.room_exists("none").await.is_ok() {
            return Some(server);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("livekit-server did not come up within 10 s");
}

fn livekit(url: &str, secret: &str) -> Livekit {
    Livekit::new(url, &Secret::new(KEY), &Secret::new(secret)).unwrap()
}

fn metadata() -> RoomMetadata {
    RoomMetadata::of("test", &AttemptId::new(CallKey::from_sqs_message("m"), 3))
}

fn request() -> DialRequest {
    DialRequest {
        trunk_id: "ST_none".to_owned(),
        to: PhoneNumber::parse("+5511912345678").unwrap(),
        caller_id: None,
        room: "r".to_owned(),
        callee_identity: "callee".to_owned(),
        callee_name: "Callee".to_owned(),
        attributes: HashMap::new(),
        ring: Duration::from_secs(5),
        longest_call: Duration::from_secs(60),
        krisp: false,
    }
}

async fn dial(livekit: &Livekit) -> Result<rooms::Dialed, DialFailure> {
    let invite_by = Timestamp::now() + Duration::from_secs(30);
    let token = livekit.dial_token(invite_by).unwrap();
    livekit.dial(&request(), &token, invite_by, Timestamp::now).await
}

#[tokio::test]
async fn a_room_that_is_not_there_is_deleted() {
    let Some(server) = server().await else { return };
    let livekit = livekit(&server.url, SECRET);
    livekit.delete_room("never-there", Duration::from_secs(5)).await.unwrap();
    assert!(!livekit.room_exists("never-there").await.unwrap());
}

#[tokio::test]
async fn a_join_alone_makes_the_room_with_its_metadata() {
    use futures_util::StreamExt;
    let Some(server) = server().await else { return };
    let livekit = livekit(&server.url, SECRET);
    let metadata = metadata();
    let wanted = JoinToken {
        room: "joined",
        identity: "bridge",
        name: "Bridge",
        room_metadata: Some(&metadata),
        ttl: Duration::from_secs(60),
    };
    let token = livekit.join_token(&wanted).unwrap();
    let url = format!("{}rtc?protocol=16&access_token={}", livekit.signal_url(), token.expose());
    let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
    socket.next().await.unwrap().unwrap();
    let stored = livekit.room_metadata("joined").await.unwrap().unwrap();
    assert_eq!(serde_json::from_str::<RoomMetadata>(&stored).unwrap(), metadata);
    livekit.delete_room("joined", Duration::from_secs(5)).await.unwrap();
    assert!(!livekit.room_exists("joined").await.unwrap());
}

#[tokio::test]
async fn a_wrong_secret_is_an_auth_error_everywhere() {
    let Some(server) = server().await else { return };
    let livekit = livekit(&server.url, "some other secret of sufficient length");
    assert_eq!(livekit.room_exists("r").await, Err(RoomsError::Auth));
    assert_eq!(livekit.delete_room("r", Duration::from_secs(5)).await, Err(RoomsError::Auth));
    let failure = dial(&livekit).await.unwrap_err();
    assert!(matches!(&failure, DialFailure::Server { code, .. } if code == "unauthenticated"), "{failure:?}");
    let unknown_key = Livekit::new(&server.url, &Secret::new("nobody"), &Secret::new(SECRET)).unwrap();
    assert_eq!(unknown_key.room_exists("r").await, Err(RoomsError::Auth));
}

#[tokio::test]
async fn without_sip_the_dial_is_refused_by_the_server_itself() {
    let Some(server) = server().await else { return };
    let failure = dial(&livekit(&server.url, SECRET)).await.unwrap_err();
    let DialFailure::Server { code, message } = &failure else { panic!("{failure:?}") };
    assert_eq!(code, "internal");
    assert!(message.contains("sip not connected (redis required)"), "{message}");
}

#[tokio::test]
async fn a_join_token_cannot_dial() {
    let Some(server) = server().await else { return };
    let livekit = livekit(&server.url, SECRET);
    let wanted =
        JoinToken { room: "r", identity: "b", name: "B", room_metadata: None, ttl: Duration::from_secs(60) };
    let token = livekit.join_token(&wanted).unwrap();
    let invite_by = Timestamp::now() + Duration::from_secs(30);
    let failure = livekit.dial(&request(), &token, invite_by, Timestamp::now).await.unwrap_err();
    assert!(matches!(&failure, DialFailure::Server { code, .. } if code == "unauthenticated"), "{failure:?}");
}

#[tokio::test]
async fn nobody_listening_means_unreachable_and_not_sent() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let livekit = livekit(&format!("ws://127.0.0.1:{}", free_port()), SECRET);
    assert!(matches!(livekit.room_exists("r").await, Err(RoomsError::Unreachable { .. })));
    let late = livekit.delete_room("r", Duration::from_millis(500)).await;
    assert!(matches!(late, Err(RoomsError::Unreachable { .. })), "{late:?}");
    let failure = dial(&livekit).await.unwrap_err();
    assert!(matches!(failure, DialFailure::NotSent { cause: NotSent::Unreachable, .. }), "{failure:?}");
}

#[tokio::test]
async fn after_invite_by_nothing_is_sent() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let livekit = livekit(&format!("http://{}", listener.local_addr().unwrap()), SECRET);
    let invite_by = Timestamp::now() + Duration::from_secs(30);
    let token = livekit.dial_token(invite_by).unwrap();
    let failure = livekit.dial(&request(), &token, invite_by, move || invite_by).await.unwrap_err();
    assert!(matches!(failure, DialFailure::NotSent { cause: NotSent::TooLate, .. }), "{failure:?}");
    assert!(listener.accept().is_err(), "nobody connected");
}

/// Something that takes the request and never answers, or answers with a web page.
async fn dial_against(answer: Option<&'static str>) -> DialFailure {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let livekit = livekit(&format!("http://{}", listener.local_addr().unwrap()), SECRET);
    let peer = tokio::spawn(async move {
        let mut connections = 0;
        while let Ok(Ok((mut socket, _))) =
            tokio::time::timeout(Duration::from_secs(1), listener.accept()).await
        {
            connections += 1;
            let mut buffer = [0; 4096];
            let n = socket.read(&mut buffer).await.unwrap();
            assert!(
                String::from_utf8_lossy(&buffer[..n]).to_lowercase().contains("x-twirp-timeout-ms: 20000")
            );
            if let Some(answer) = answer {
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
        }
        connections
    });
    let failure = dial(&livekit).await.unwrap_err();
    assert_eq!(peer.await.unwrap(), 1, "a dial is sent once");
    failure
}

#[tokio::test]
async fn a_reply_that_never_comes_or_is_no_reply_is_lost_and_the_dial_is_not_repeated() {
    let dropped = dial_against(None).await;
    assert!(matches!(dropped, DialFailure::ReplyLost { .. }), "{dropped:?}");
    let page = dial_against(Some("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 4\r\n\r\noops")).await;
    assert!(matches!(&page, DialFailure::ReplyLost { detail } if detail.contains("502")), "{page:?}");
    let elsewhere = dial_against(Some(
        "HTTP/1.1 307 Temporary Redirect\r\nlocation: /twirp\r\ncontent-length: 0\r\n\r\n",
    ))
    .await;
    assert!(matches!(elsewhere, DialFailure::ReplyLost { .. }), "{elsewhere:?}");
}

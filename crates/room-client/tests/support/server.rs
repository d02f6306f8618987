//! The real livekit-server, one for each test, on free local ports.

use std::ffi::{OsStr, OsString};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use livekit_api::access_token::{AccessToken, VideoGrants};
use livekit_api::services::room::RoomClient;

const KEY: &str = "test";

/// Any 32 characters do: each server is one test's own.
fn secret() -> String {
    "k".repeat(32)
}

/// How media may reach the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Media {
    Udp,
    /// UDP alone, and no checks of the server's own toward us (ICE lite): its way to us is our way to it.
    UdpLite,
    /// `rtc.force_tcp`: no UDP at all.
    TcpOnly,
    /// Both, and it makes no checks of its own toward us (ICE lite): a client that cannot send to its UDP port has no
    /// UDP at all.
    Both,
}

/// A running livekit-server; killed when dropped.
pub struct Server {
    child: Child,
    pub address: SocketAddr,
    /// Where its media is, if over UDP.
    pub udp: SocketAddr,
    program: OsString,
    config: tempfile::TempDir,
}

impl Server {
    /// Starts the server that `LIVEKIT_SERVER` names. `None`, said aloud, where it names none; on CI that is a
    /// failure.
    #[expect(clippy::disallowed_methods, reason = "a test's settings come from the environment")]
    pub async fn start(media: Media) -> Option<Self> {
        let Some(program) = std::env::var_os("LIVEKIT_SERVER") else {
            assert!(std::env::var_os("CI").is_none(), "LIVEKIT_SERVER must name a livekit-server on CI");
            // Not by eprintln: the test harness would keep it to itself.
            let _ = writeln!(
                std::io::stderr(),
                "SKIPPED: set LIVEKIT_SERVER to a livekit-server binary to run this test"
            );
            return None;
        };
        // Installed already by another test of this process, or now.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let port = free_tcp_port();
        let udp_port = free_udp_port();
        let path = match media {
            Media::Udp => format!("udp_port: {udp_port}\n  tcp_port: 0"),
            Media::UdpLite => format!("udp_port: {udp_port}\n  tcp_port: 0\n  use_ice_lite: true"),
            Media::Both => {
                format!("udp_port: {udp_port}\n  tcp_port: {}\n  use_ice_lite: true", free_tcp_port())
            }
            Media::TcpOnly => format!("tcp_port: {}\n  force_tcp: true", free_tcp_port()),
        };
        let secret = secret();
        let yaml = format!(
            "port: {port}\nbind_addresses: [\"127.0.0.1\"]\nkeys: {{ {KEY}: \"{secret}\" }}\n\
             rtc:\n  use_external_ip: false\n  node_ip: 127.0.0.1\n  enable_loopback_candidate: true\n  \
             ips: {{ includes: [\"127.0.0.1/32\"] }}\n  stun_servers: [\"127.0.0.1:3478\"]\n  {path}\n\
             logging: {{ level: warn, pion_level: error }}\n"
        );
        let config = tempfile::tempdir().expect("a directory");
        std::fs::write(config.path().join("livekit.yaml"), yaml).expect("written");
        let child = start(&program, config.path());
        let [address, udp] = [port, udp_port].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let server = Self { child, address, udp, program, config };
        server.wait_until_ready().await;
        Some(server)
    }

    /// Ends the server as a crash would, and starts it again: it knows nobody then.
    pub async fn restart(&mut self) {
        self.kill();
        self.child.wait().expect("killed");
        self.child = start(&self.program, self.config.path());
        self.wait_until_ready().await;
    }

    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    pub async fn delete_room(&self, room: &str) {
        self.rooms().delete_room(room).await.expect("deleted");
    }

    /// Ends the server as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().expect("was running");
    }

    /// Stops the server as a whole, as a frozen machine would, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        let signal = if frozen { "-STOP" } else { "-CONT" };
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(status.expect("kill(1) is there").success());
    }

    /// The names of all rooms.
    pub async fn room_names(&self) -> Vec<String> {
        let rooms = self.rooms().list_rooms(Vec::new()).await.expect("listed");
        rooms.into_iter().map(|room| room.name).collect()
    }

    fn rooms(&self) -> RoomClient {
        RoomClient::with_api_key(&format!("http://{}", self.address), KEY, &secret())
    }

    async fn wait_until_ready(&self) {
        for _ in 0..200 {
            if self.rooms().list_rooms(Vec::new()).await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("livekit-server did not start within 10 s");
    }
}

fn start(program: &OsStr, config: &Path) -> Child {
    let log = std::fs::File::options().create(true).append(true).open(config.join("livekit.log"));
    let log = log.expect("opened");
    Command::new(program)
        .arg("--config")
        .arg(config.join("livekit.yaml"))
        .stdout(log.try_clone().expect("cloned"))
        .stderr(log)
        .stdin(Stdio::null())
        .spawn()
        .expect("LIVEKIT_SERVER starts")
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn token(room: &str, identity: &str) -> String {
    token_signed_with(&secret(), room, identity)
}

pub fn token_signed_with(secret: &str, room: &str, identity: &str) -> String {
    let grants = VideoGrants { room_join: true, room: room.to_owned(), ..Default::default() };
    AccessToken::with_api_key(KEY, secret)
        .with_identity(identity)
        .with_grants(grants)
        .to_jwt()
        .expect("signed")
}

/// Free a moment ago; taken by another only by rare bad luck.
pub fn free_tcp_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port()
}

fn free_udp_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("a free port").port()
}

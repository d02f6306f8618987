//! A way between our client and a livekit-server that loses packets, in both directions.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// Of so many RTP packets one is lost.
const ONE_OF: u64 = 10;

/// More than the server says in one message.
const LONGEST_MESSAGE: usize = 64 * 1024;

/// Stands before the server's websocket, where it names itself in place of the server's media port, and before that port.
pub struct LossyWay {
    address: SocketAddr,
    toward_us: Arc<Lossy>,
    toward_server: Arc<Lossy>,
}

/// One direction.
#[derive(Default)]
struct Lossy {
    packets: AtomicU64,
    lost: AtomicU64,
}

impl LossyWay {
    /// To the server with this websocket and this UDP port, both on 127.0.0.1.
    pub async fn to(port: u16, udp_port: u16) -> Self {
        let (toward_us, toward_server) = (Arc::new(Lossy::default()), Arc::new(Lossy::default()));
        let near = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let far = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        far.connect(("127.0.0.1", udp_port)).await.unwrap();
        let (theirs, ours) = (udp_port.to_string(), near.local_addr().unwrap().port().to_string());
        assert_eq!(theirs.len(), ours.len(), "a message keeps its length");
        tokio::spawn(relay(near, far, toward_us.clone(), toward_server.clone()));

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                tokio::spawn(signal(client, server, theirs.clone(), ours.clone()));
            }
        });
        Self { address, toward_us, toward_server }
    }

    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// RTP packets toward us that were lost so far.
    pub fn lost_toward_us(&self) -> u64 {
        self.toward_us.lost.load(Ordering::Relaxed)
    }

    /// Those toward the server.
    pub fn lost_toward_server(&self) -> u64 {
        self.toward_server.lost.load(Ordering::Relaxed)
    }
}

impl Lossy {
    fn loses(&self, packet: &[u8]) -> bool {
        if !is_rtp(packet) || self.packets.fetch_add(1, Ordering::Relaxed) % ONE_OF != ONE_OF - 1 {
            return false;
        }
        self.lost.fetch_add(1, Ordering::Relaxed);
        true
    }
}

async fn relay(near: UdpSocket, far: UdpSocket, toward_us: Arc<Lossy>, toward_server: Arc<Lossy>) {
    let (mut there, mut back) = ([0; 2048], [0; 2048]);
    let mut client = None;
    loop {
        tokio::select! {
            Ok((length, from)) = near.recv_from(&mut there) => {
                client = Some(from);
                if !toward_server.loses(&there[..length]) {
                    let _ = far.send(&there[..length]).await;
                }
            }
            Ok(length) = far.recv(&mut back) => {
                let Some(client) = client else { continue };
                if !toward_us.loses(&back[..length]) {
                    let _ = near.send_to(&back[..length], client).await;
                }
            }
        }
    }
}

/// Version 2, and no payload type of RTCP (RFC 5761 §4).
fn is_rtp(packet: &[u8]) -> bool {
    packet.len() > 1 && packet[0] >> 6 == 2 && !(64..96).contains(&(packet[1] & 0x7f))
}

/// What the client says is masked (RFC 6455 §5.3), what the server says is not.
async fn signal(client: TcpStream, server: TcpStream, theirs: String, ours: String) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let said = async {
        let mut message = vec![0; LONGEST_MESSAGE];
        while let Ok(length @ 1..) = from_server.read(&mut message).await {
            replace(&mut message[..length], &format!(" {theirs} typ"), &format!(" {ours} typ"));
            if to_client.write_all(&message[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = said => {}
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
    }
}

fn replace(text: &mut [u8], from: &str, to: &str) {
    for at in 0..text.len().saturating_sub(from.len() - 1) {
        let place = &mut text[at..at + from.len()];
        if place == from.as_bytes() {
            place.copy_from_slice(to.as_bytes());
        }
    }
}

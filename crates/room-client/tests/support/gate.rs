//! Stands before the server's UDP port. Shut, nothing gets through, either way.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::net::UdpSocket;

/// The largest datagram.
const MOST: usize = 65_536;

pub struct Gate {
    pub port: u16,
    is_open: Arc<AtomicBool>,
}

impl Gate {
    /// Open, before this port of the server's.
    pub async fn start(target: SocketAddr) -> Self {
        let front = UdpSocket::bind("127.0.0.1:0").await.expect("a free port");
        let port = front.local_addr().expect("bound").port();
        let is_open = Arc::new(AtomicBool::new(true));
        tokio::spawn(pass(Arc::new(front), target, is_open.clone()));
        Self { port, is_open }
    }

    pub fn open(&self) {
        self.is_open.store(true, Ordering::Relaxed);
    }

    pub fn shut(&self) {
        self.is_open.store(false, Ordering::Relaxed);
    }
}

/// To the server each client comes from a port of its own.
async fn pass(front: Arc<UdpSocket>, target: SocketAddr, is_open: Arc<AtomicBool>) {
    let mut behind: HashMap<SocketAddr, Arc<UdpSocket>> = HashMap::new();
    let mut datagram = vec![0; MOST];
    while let Ok((length, client)) = front.recv_from(&mut datagram).await {
        let socket = match behind.entry(client) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let socket = Arc::new(UdpSocket::bind("127.0.0.1:0").await.expect("a free port"));
                socket.connect(target).await.expect("an address");
                tokio::spawn(bring_back(socket.clone(), front.clone(), client, is_open.clone()));
                new.insert(socket)
            }
        };
        if is_open.load(Ordering::Relaxed) {
            let _ = socket.send(&datagram[..length]).await;
        }
    }
}

async fn bring_back(
    socket: Arc<UdpSocket>,
    front: Arc<UdpSocket>,
    client: SocketAddr,
    is_open: Arc<AtomicBool>,
) {
    let mut datagram = vec![0; MOST];
    while let Ok(length) = socket.recv(&mut datagram).await {
        if is_open.load(Ordering::Relaxed) {
            let _ = front.send_to(&datagram[..length], client).await;
        }
    }
}

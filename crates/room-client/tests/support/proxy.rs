//! A TCP proxy that a test can cut and mend.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Forwards connections to one address until it is cut.
pub struct Proxy {
    pub address: SocketAddr,
    /// The connections under way; `None` while cut, when new ones are closed at once.
    connections: Arc<Mutex<Option<JoinSet<()>>>>,
}

impl Proxy {
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let connections = Arc::new(Mutex::new(Some(JoinSet::new())));
        let shared = connections.clone();
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                if let Some(connections) = shared.lock().expect("not poisoned").as_mut() {
                    connections.spawn(async move {
                        if let Ok(mut server) = TcpStream::connect(target).await {
                            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                        }
                    });
                }
            }
        });
        Self { address, connections }
    }

    /// Drops all connections and refuses new ones.
    pub fn cut(&self) {
        *self.connections.lock().expect("not poisoned") = None;
    }

    pub fn mend(&self) {
        *self.connections.lock().expect("not poisoned") = Some(JoinSet::new());
    }
}

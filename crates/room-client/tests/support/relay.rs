//! Stands between a client and the server's websocket and reads along: it speaks in the server's name, and changes what
//! the server says.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use livekit_protocol as proto;
use prost::Message as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

/// What is done to a message of the server's.
type Change = Arc<dyn Fn(&mut proto::SignalResponse) + Send + Sync>;

pub struct Relay {
    pub address: SocketAddr,
    /// To whoever is connected.
    said: broadcast::Sender<Vec<u8>>,
}

impl Relay {
    pub async fn start(
        target: SocketAddr,
        change: impl Fn(&mut proto::SignalResponse) + Send + Sync + 'static,
    ) -> Self {
        let change: Change = Arc::new(change);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (said, _) = broadcast::channel(8);
        let to_all = said.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, target, to_all.subscribe(), change.clone()));
            }
        });
        Self { address, said }
    }

    /// Says this as if the server had.
    pub fn say(&self, message: proto::signal_response::Message) {
        let response = proto::SignalResponse { message: Some(message) };
        self.said.send(response.encode_to_vec()).expect("somebody is connected");
    }
}

async fn relay(
    client: TcpStream,
    target: SocketAddr,
    mut said: broadcast::Receiver<Vec<u8>>,
    change: Change,
) {
    let mut asked = None;
    #[expect(clippy::result_large_err, reason = "tungstenite's callback has this shape")]
    let read = |request: &Request, response: Response| {
        asked = Some((request.uri().to_string(), request.headers().get("authorization").cloned()));
        Ok(response)
    };
    let mut client = tokio_tungstenite::accept_hdr_async(client, read).await.expect("a websocket");
    let (path, token) = asked.expect("read");
    let mut request = format!("ws://{target}{path}").into_client_request().expect("an address");
    if let Some(token) = token {
        request.headers_mut().insert("authorization", token);
    }
    let Ok((mut server, _)) = tokio_tungstenite::connect_async(request).await else { return };
    loop {
        let sent = tokio::select! {
            request = client.next() => match request {
                Some(Ok(message)) => server.send(message).await,
                _ => return,
            },
            response = server.next() => match response {
                Some(Ok(Message::Binary(frame))) => {
                    let mut response = proto::SignalResponse::decode(frame).expect("a message");
                    change(&mut response);
                    client.send(Message::Binary(response.encode_to_vec().into())).await
                }
                Some(Ok(message)) => client.send(message).await,
                _ => return,
            },
            Ok(ours) = said.recv() => client.send(Message::Binary(ours.into())).await,
        };
        if sent.is_err() {
            return;
        }
    }
}

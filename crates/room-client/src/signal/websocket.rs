//! The websocket that carries LiveKit's signalling: tokio-tungstenite over rustls.

use std::sync::{Arc, Once};
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use livekit_net::{Header, TransportError, WsClient, WsConnectResult, WsConnection};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream};

use super::frame::{Verdict, judge};
use super::regions::Regions;

type Stream = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// The largest message that is read; nothing of it is kept meanwhile. Unpacked it can be some hundred times as
/// large. Hundreds of participants fit in.
const LARGEST_MESSAGE: usize = 512 << 10;
/// So much is read at once, in bytes: most messages in whole. It stays for as long as the socket, and is filled with
/// zeros before each read, so the library's 128 KiB would be dear.
const READ_AT_ONCE: usize = 8 << 10;

/// Makes this the process's transport for LiveKit signalling. The first registration stands.
pub(super) fn register() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        livekit_net::set_ws_client(Arc::new(Client));
        livekit_net::set_http_client(Arc::new(Regions));
    });
}

struct Client;

#[async_trait::async_trait]
impl WsClient for Client {
    async fn connect(
        &self,
        url: String,
        headers: Vec<Header>,
        timeout_ms: u64,
    ) -> Result<WsConnectResult, TransportError> {
        let mut request = url.into_client_request().map_err(transport_error)?;
        for header in headers {
            let name = HeaderName::try_from(header.name).map_err(|e| TransportError::Other(e.to_string()))?;
            let mut value =
                HeaderValue::try_from(header.value).map_err(|e| TransportError::Other(e.to_string()))?;
            value.set_sensitive(true);
            request.headers_mut().insert(name, value);
        }
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_AT_ONCE)
            .max_message_size(Some(LARGEST_MESSAGE))
            .max_frame_size(Some(LARGEST_MESSAGE));
        let tls = tls::config().map_err(|error| TransportError::Connection(error.to_string()))?;
        let connecting = tokio_tungstenite::connect_async_tls_with_config(
            request,
            Some(config),
            true,
            Some(Connector::Rustls(tls)),
        );
        let (stream, _response) = tokio::time::timeout(Duration::from_millis(timeout_ms), connecting)
            .await
            .map_err(|_| TransportError::Timeout)?
            .map_err(transport_error)?;
        let (writer, reader) = stream.split();
        let connection = Connection { writer: Mutex::new(writer), reader: Mutex::new(reader) };
        Ok(WsConnectResult { connection: Arc::new(connection) })
    }
}

/// Both halves behind async locks, because the trait takes `&self`; each has one user, so nobody waits.
struct Connection {
    writer: Mutex<SplitSink<Stream, Message>>,
    reader: Mutex<SplitStream<Stream>>,
}

#[async_trait::async_trait]
impl WsConnection for Connection {
    async fn send(&self, frame: Vec<u8>) -> Result<(), TransportError> {
        self.writer.lock().await.send(Message::Binary(frame.into())).await.map_err(transport_error)
    }

    async fn recv(&self) -> Result<Option<Vec<u8>>, TransportError> {
        let mut reader = self.reader.lock().await;
        loop {
            match reader.next().await {
                Some(Ok(Message::Binary(frame))) => match judge(&frame) {
                    Verdict::Good => return Ok(Some(frame.into())),
                    Verdict::Useless(why) => tracing::debug!(why, "a message of the server's is passed over"),
                    Verdict::Harmful(why) => return Err(TransportError::Other(why.to_owned())),
                },
                Some(Ok(Message::Close(_))) | None => return Ok(None),
                // Pings are answered inside; LiveKit sends no text.
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(transport_error(error)),
            }
        }
    }

    async fn close(&self) {
        // The peer may be gone already: there is nothing more to do about it.
        let _ = self.writer.lock().await.close().await;
    }
}

fn transport_error(error: Error) -> TransportError {
    match error {
        Error::Http(response) => TransportError::Http { status: response.status().as_u16() },
        Error::ConnectionClosed | Error::AlreadyClosed => TransportError::Closed,
        other => TransportError::Connection(other.to_string()),
    }
}

//! To the agent's socket: the callee's voice, one second a second, and the few texts that we have to say.

use std::time::Duration;

use bytes::{BufMut as _, BytesMut};
use futures_util::SinkExt as _;
use futures_util::stream::SplitSink;
use room_client::AudioIn;
use tokio::sync::{mpsc, oneshot};
use tokio_tungstenite::tungstenite::{Bytes, Message};

use super::WebSocket;
use crate::sound::ToAgent;

/// A ping this often keeps the way open and shows whether anybody is there.
pub(super) const PING_EVERY: Duration = Duration::from_secs(10);

/// Runs until the other end of `over` is dropped, or the socket takes no more; who reads the socket tells of its
/// end.
pub(super) async fn run(
    mut from_callee: AudioIn,
    to_agent: ToAgent,
    mut texts: mpsc::Receiver<String>,
    mut over: oneshot::Receiver<()>,
    mut sink: SplitSink<WebSocket, Message>,
) {
    let mut pings = tokio::time::interval(PING_EVERY);
    // The bytes of a frame are taken back once it is sent, so a frame costs no allocation.
    let mut buffer = BytesMut::with_capacity(16 << 10);
    loop {
        let message = tokio::select! {
            Some(frame) = from_callee.recv() => {
                to_agent.count(frame.as_slice(), from_callee.dropped());
                for sample in frame.as_slice() {
                    buffer.put_i16_le(*sample);
                }
                Message::Binary(buffer.split().freeze())
            }
            Some(text) = texts.recv() => Message::text(text),
            _ = &mut over => break,
            _ = pings.tick() => Message::Ping(Bytes::new()),
        };
        if sink.send(message).await.is_err() {
            return;
        }
    }
    // The call is over: say so, the vendor stops billing.
    let _ = sink.send(Message::Close(None)).await;
}

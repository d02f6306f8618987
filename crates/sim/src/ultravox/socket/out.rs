//! What goes out on a call's websocket: messages, missteps, and the end.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until, timeout};

use super::{End, Session};
use crate::ultravox::call::{EndReason, Moment};
use crate::ultravox::script::Trouble;

/// A client that takes nothing for this long has gone.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the client's answer to our close frame is awaited.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

impl Session {
    pub(super) async fn misstep(&mut self, trouble: Trouble) -> Result<(), End> {
        match trouble {
            Trouble::Stall => Err(End::Stall),
            Trouble::HoldUp(ms) => {
                self.held_until = Some(Instant::now() + Duration::from_millis(ms.into()));
                Ok(())
            }
            Trouble::Mute => {
                self.muted = true;
                Ok(())
            }
            Trouble::Drop => Err(End::Drop(EndReason::ConnectionError)),
            Trouble::Close(code) => Err(End::Close(code, EndReason::SystemError)),
            Trouble::SendText(text) => self.send(Message::text(text)).await,
            Trouble::SendLongText(bytes) => {
                let around = r#"{"type":"long","text":""}"#.len();
                let text = "x".repeat(bytes.saturating_sub(around));
                self.send(Message::text(format!(r#"{{"type":"long","text":"{text}"}}"#))).await
            }
            Trouble::Clear => self.interrupt().await,
            Trouble::CallTool { name, parameters } => self.call_tool(&name, parameters).await,
        }
    }

    pub(super) async fn tell_state(&mut self, state: &str) -> Result<(), End> {
        self.tell("state", json!({"type": "state", "state": state})).await
    }

    pub(super) async fn tell_transcript(&mut self, role: &str, mut words: Value) -> Result<(), End> {
        words["type"] = "transcript".into();
        words["role"] = role.into();
        words["medium"] = "voice".into();
        words["ordinal"] = self.ordinal.into();
        self.tell("transcript", words).await
    }

    /// Sends a data message unless the client has switched its kind, `flag`, off.
    pub(super) async fn tell(&mut self, flag: &str, message: Value) -> Result<(), End> {
        if self.start.unwanted.iter().any(|unwanted| unwanted == flag) {
            return Ok(());
        }
        self.send(Message::text(message.to_string())).await
    }

    pub(super) async fn send_audio(&mut self, bytes: Vec<u8>) -> Result<(), End> {
        let said = Moment { at_us: Timestamp::now().as_microsecond(), bytes: bytes.len() };
        let keep = self.script.keep_audio;
        self.record(|call| {
            call.bytes_sent += bytes.len() as u64;
            if keep {
                call.times.said.push(said);
            }
        });
        self.send(Message::binary(bytes)).await
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        if self.muted && !matches!(message, Message::Close(_)) {
            return Ok(());
        }
        if self.held_until.is_some() && !matches!(message, Message::Close(_)) {
            self.held.push(message);
            return Ok(());
        }
        self.hand_over(message).await
    }

    /// What was held up comes.
    pub(super) async fn let_go(&mut self) -> Result<(), End> {
        self.held_until = None;
        for message in std::mem::take(&mut self.held) {
            self.hand_over(message).await?;
        }
        Ok(())
    }

    async fn hand_over(&mut self, message: Message) -> Result<(), End> {
        match timeout(SEND_TIMEOUT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Drop(EndReason::ConnectionError)),
        }
    }

    pub(super) async fn end(mut self, end: End, running: &mut watch::Receiver<bool>) {
        match end {
            End::Stall => {
                let over = sleep_until(self.opened + self.start.max_duration);
                let why = tokio::select! {
                    () = over => EndReason::Timeout,
                    // It is the socket that stands still, not the vendor.
                    () = self.hung_up.notified() => EndReason::Hangup,
                    _ = running.changed() => EndReason::Timeout,
                };
                self.record(|call| call.end(why));
            }
            End::Drop(reason) => self.record(|call| call.end(reason)),
            End::Closed => {
                self.record(|call| call.end(EndReason::Hangup));
                self.wait_for_close().await;
            }
            End::Close(code, reason) => {
                // Before the frame goes: who sees it and asks for the end reason finds one.
                self.record(|call| call.end(reason));
                // A connection that breaks is noticed by what follows.
                let _ = self.let_go().await;
                let frame = CloseFrame { code, reason: "".into() };
                if self.send(Message::Close(Some(frame))).await.is_ok() {
                    self.wait_for_close().await;
                }
            }
        }
    }

    /// Reads on until the close handshake is through; what still comes in is not heard any more.
    async fn wait_for_close(&mut self) {
        let closed = async { while let Some(Ok(_)) = self.socket.recv().await {} };
        // Past the limit the connection is dropped all the same.
        let _ = timeout(CLOSE_TIMEOUT, closed).await;
    }
}

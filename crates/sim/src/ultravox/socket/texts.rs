//! What the client writes: pings, texts to the agent, answers to tools, its wish to end.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{End, NORMAL, Session};
use crate::ultravox::call::EndReason;

impl Session {
    /// A text message of the client's. What is not known is kept in the record and otherwise ignored.
    pub(super) async fn read(&mut self, text: &str) -> Result<(), End> {
        self.record(|call| call.texts.push(text.to_owned()));
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        match message["type"].as_str() {
            Some("ping") => {
                self.tell("pong", json!({"type": "pong", "timestamp": message["timestamp"]})).await
            }
            Some("user_text_message") => self.take_text(message["urgency"].as_str()).await,
            Some("client_tool_result") => self.take_tool_result(&message).await,
            Some("hang_up") => self.hang_up(&message).await,
            _ => Ok(()),
        }
    }

    /// A text is a turn of its own and is answered. An urgent one interrupts; by default it waits until the agent
    /// has finished speaking; one that is for later changes nothing now.
    async fn take_text(&mut self, urgency: Option<&str>) -> Result<(), End> {
        let speaking = self.pace.speaking(Instant::now());
        match urgency {
            Some("later") => return Ok(()),
            Some("immediate") if speaking => self.interrupt().await?,
            _ if speaking || self.waiting_for_tool.is_some() => {
                self.asked_by_text = true;
                return Ok(());
            }
            _ => {}
        }
        self.say_next().await
    }

    async fn hang_up(&mut self, message: &Value) -> Result<(), End> {
        let wanted = message["message"].as_str().is_some_and(|text| !text.is_empty());
        let Some(farewell) = self.script.farewell.clone().filter(|_| wanted) else {
            return Err(End::Close(NORMAL, EndReason::Hangup));
        };
        if self.pace.speaking(Instant::now()) {
            self.interrupt().await?;
        }
        (self.begins, self.ending) = (None, Some(EndReason::Hangup));
        self.say(&farewell).await
    }
}

//! Client tools: the agent calls one and says nothing until it is answered, or its time is over.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{End, Session};
use crate::ultravox::call::ToolUse;

/// How long a tool is waited for that does not say.
const TIMEOUT: Duration = Duration::from_millis(2_500);

/// A tool that was called and not answered yet.
pub(super) struct Waiting {
    id: String,
    pub(super) until: Instant,
}

impl Session {
    /// Calls one of the tools that the call was created with; another is not known to the model, so nothing happens.
    pub(super) async fn call_tool(&mut self, name: &str, parameters: Value) -> Result<(), End> {
        let Some(tool) = self.start.client_tools.iter().find(|tool| tool.name == name) else { return Ok(()) };
        let timeout = tool.timeout.unwrap_or(TIMEOUT);
        let before = self.state.with_call(&self.id, |call| call.tools.len()).unwrap_or_default();
        let id = format!("tool-call-{}", before + 1);
        self.waiting_for_tool = Some(Waiting { id: id.clone(), until: Instant::now() + timeout });
        let message = json!({
            "type": "client_tool_invocation",
            "toolName": name,
            "invocationId": id,
            "parameters": parameters,
        });
        let used =
            ToolUse { tool: name.to_owned(), parameters, called: jiff::Timestamp::now(), answer: None };
        self.record(|call| call.tools.push((id, used)));
        self.tell("clientToolInvocation", message).await
    }

    /// The client's answer; one to a tool that nobody waits for any more changes nothing but the record.
    pub(super) async fn take_tool_result(&mut self, message: &Value) -> Result<(), End> {
        let id = message["invocationId"].as_str().unwrap_or_default().to_owned();
        let answer = ["result", "errorMessage"].iter().find_map(|name| message[*name].as_str());
        let answer = answer.unwrap_or_default().to_owned();
        self.record(|call| {
            if let Some((_, used)) = call.tools.iter_mut().find(|(known, _)| *known == id) {
                used.answer.get_or_insert((jiff::Timestamp::now(), answer));
            }
        });
        if self.waiting_for_tool.take_if(|waiting| waiting.id == id).is_some() {
            return self.say_next().await;
        }
        Ok(())
    }

    /// The tool's time is over: the agent speaks on without it.
    pub(super) async fn give_up_tool(&mut self, now: Instant) -> Result<(), End> {
        match self.waiting_for_tool.take_if(|waiting| now >= waiting.until) {
            Some(_) => self.say_next().await,
            None => Ok(()),
        }
    }
}

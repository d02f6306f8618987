//! The agent's tools that run at our end: their names, and what is asked of them.

use serde_json::Value;

use crate::keys::Strokes;

/// Presses keys toward the callee's end of the line.
pub const SEND_DIGITS: &str = "sendDigits";

/// Passes the callee on to somebody else.
pub const TRANSFER_CALL: &str = "transferCall";

/// An agent's call of a tool of ours.
#[derive(Clone, Debug, PartialEq)]
pub enum ToolCall {
    /// Press keys; or what is wrong with those that it names, in one sentence.
    SendDigits(Result<Strokes, &'static str>),
    /// Pass the callee on to whom the profile knows by this name; or what is wrong with the name.
    TransferCall(Result<String, &'static str>),
}

impl ToolCall {
    /// Reads a call of `tool`; `None`: it is none of ours.
    pub fn of(tool: &str, parameters: &Value) -> Option<Self> {
        match tool {
            SEND_DIGITS => Some(Self::SendDigits(match parameters["digits"].as_str() {
                Some(text) => Strokes::read(text),
                None => Err("digits is missing, or no text"),
            })),
            TRANSFER_CALL => {
                let to = parameters["to"].as_str().map(str::to_owned);
                Some(Self::TransferCall(to.ok_or("to is missing, or no text")))
            }
            _ => None,
        }
    }

    /// The tool's name.
    pub fn tool(&self) -> &'static str {
        match self {
            Self::SendDigits(_) => SEND_DIGITS,
            Self::TransferCall(_) => TRANSFER_CALL,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    #[test]
    fn a_tool_of_ours_is_read_whatever_its_parameters_are() {
        let read = |parameters: Value| ToolCall::of(SEND_DIGITS, &parameters).unwrap();
        assert!(matches!(read(json!({ "digits": "1w#" })), ToolCall::SendDigits(Ok(_))));
        for odd in [json!(null), json!([1]), json!({}), json!({ "digits": 7 }), json!({ "digits": "1-800" })]
        {
            assert!(matches!(read(odd.clone()), ToolCall::SendDigits(Err(_))), "{odd}");
        }
        let to = |parameters: Value| ToolCall::of(TRANSFER_CALL, &parameters).unwrap();
        assert_eq!(to(json!({ "to": "sales" })), ToolCall::TransferCall(Ok("sales".into())));
        assert!(matches!(to(json!({ "to": ["sales"] })), ToolCall::TransferCall(Err(_))));
        assert_eq!(ToolCall::of("lookUp", &json!({ "digits": "1" })), None);
    }
}

//! Ultravox: its REST API creates a call, its server websocket carries the sound.
//! Source: <https://docs.ultravox.ai/api-reference> and <https://docs.ultravox.ai/apps/websockets>.

mod client;
mod request;
mod tools;
mod voicemail;
mod voices;
mod wire;

pub use client::Client;
pub(crate) use request::create_request;
pub(crate) use wire::{decode_text, hang_up, keys_pressed, no_such_tool, tool_result};

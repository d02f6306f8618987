//! Ultravox: its REST API creates a call, its server websocket carries the sound.
//! Source: <https://docs.ultravox.ai/api-reference> and <https://docs.ultravox.ai/apps/websockets>.

mod client;
mod request;
mod voicemail;
mod voices;
mod wire;

pub use client::Client;
pub(crate) use request::create_request;
pub(crate) use wire::{decode_text, hang_up, no_such_tool};

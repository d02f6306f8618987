//! The Ultravox stand-in over real sockets: that it keeps the protocol, and that its misbehaviour is what
//! the script says.

#![allow(clippy::unwrap_used)]

#[path = "ultravox/client.rs"]
mod client;
#[path = "ultravox/conversation.rs"]
mod conversation;
#[path = "ultravox/rest.rs"]
mod rest;
#[path = "ultravox/trouble.rs"]
mod trouble;

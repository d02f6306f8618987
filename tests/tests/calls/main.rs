//! Stories of outbound calls: a real `bridge-task job`, a real livekit-server, a scripted person, and the
//! stand-in of the agent's vendor. Each is checked at both ends and in the call folder.

mod agent_fails;
mod agent_speech;
mod answered;
mod barge_in;
mod cannot_dial;
mod keys;
mod not_answered;
mod sound;
mod transfer;

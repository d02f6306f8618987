//! Stand-ins for what nobody can run on their own machine, and what starts and ends the local stack.
//!
//! [`ultravox`] stands where the voice agent's vendor stands, [`ecs`] where Fargate does. [`stack`] runs the
//! *real* livekit-server with `tools/phone` in the place of SIP, carrier and person. [`demo`] puts messages
//! through the gateway on that stack and shows what happens. Nothing but the demo, benchmarks and tests
//! depends on this crate. [`mark`] is a sound by which delays are measured.

pub mod aws;
pub mod demo;
pub mod ecs;
pub mod mark;
pub mod stack;
pub mod ultravox;

//! What the end-to-end stories share: a stage on the real livekit-server, calls placed on it, and ears.
//!
//! A story is an ordinary `#[test]` that hands an async closure to [`story`] (or, when it breaks the stage,
//! to [`story_apart`]). The closure arranges a call, places it with a real `bridge-task job` process, and
//! asks both ends what they saw: the phone, the agent's vendor, and the call folder.
//!
//! ```no_run
//! # use tests::{story, person, agent};
//! story(async |scene| {
//!     let call = scene.arrange().person(person::busy()).place().await?;
//!     let ended = call.ends().await?;
//!     ended.is_not_answered("busy", Some(486))
//! });
//! ```
//!
//! What every call must leave behind, whatever its story, [`LiveCall::ends`] checks each time: its room is
//! gone, its legs are over, its agent's socket is closed, and no secret and no full phone number stands in
//! a log or a fact.

pub mod agent;
pub mod arrange;
pub mod cloud;
pub mod collector;
pub mod ears;
pub mod ended;
pub mod flat;
pub mod gaps;
mod leaks;
mod live;
pub mod measure;
pub mod ocg;
pub mod person;
pub mod scenarios;
pub mod sdk;
mod stage;
pub mod terminal;
pub mod tls;
pub mod usage;
pub mod wire;

pub use arrange::Arrangement;
pub use ended::EndedCall;
pub use live::LiveCall;
pub use stage::{Scene, Stage, given, measured, skip, story, story_apart};

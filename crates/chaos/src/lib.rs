//! A simulated campaign day: the real core against services that lie, on a virtual clock, from one seed.
//!
//! What is real: [`calls::call::Call`], [`calls::routing::Routing`] and settling. What is simulated: everything that
//! they talk to, each in a module of its own, and the processes that carry them, which die at any step. The `witness`
//! stands beside the phone and the store and says when a promise of the call folder is broken.
//!
//! A day is single-threaded and depends on its seed alone, so whatever went wrong can be seen again, with a trace.

mod ask;
mod balance;
mod broken;
mod clock;
mod countries;
mod dice;
mod ecs;
mod event;
mod hangup;
mod letters;
mod livekit;
mod paces;
mod places;
mod queue;
mod router;
mod run;
mod settler;
mod store;
mod sweep;
mod task;
mod trace;
mod upstream;
mod vendor;
mod weather;
mod witness;
mod world;

pub use broken::Rule;
pub use dice::seed_of_day;
pub use run::{Day, Report, Run, live, run};
pub use witness::Violation;
pub use world::Settings;

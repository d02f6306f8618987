//! A call is a value that changes only here; everything else brings it news or does what it asks.
//!
//! The life of a call, in order, and the module that knows about it:
//!
//! 1. bytes arrive and become a [`trigger::TriggerCall`], or a [`trigger::Refusal`] with a code;
//! 2. the number becomes a [`phone::PhoneNumber`] and finds its [`profile::CountryProfile`];
//! 3. [`plan::plan`] puts both together: a [`plan::CallPlan`] is everything a task needs to know;
//! 4. [`routing::Routing`] claims identity and attempt, and launches a task, exactly once;
//! 5. in the task, [`call::Call`] joins the room, has the agent created, takes the dial claim, dials;
//! 6. the callee answers; agent and callee talk; somebody ends it;
//! 7. [`sip_outcome`] and [`outcome`] say what became of it and whether it may be tried again;
//! 8. [`settle::Settling`] makes sure that something followed: nothing, another attempt, a dead letter;
//! 9. every step on the way is a [`fact::Fact`].
//!
//! Nothing here knows a clock, a socket, an environment variable or a vendor's SDK: time and news
//! are arguments, wishes are return values.

pub mod call;
pub mod cost;
pub mod fact;
pub mod hours;
pub mod ids;
pub mod keys;
pub mod meaning;
pub mod outcome;
pub mod phone;
pub mod plan;
pub mod profile;
pub mod routing;
pub mod secret;
pub mod settle;
pub mod sip_outcome;
pub mod sound;
pub mod tools;
pub mod transfer;
pub mod trigger;

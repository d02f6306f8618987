//! `ocg` against the deployed stack: what operators do, with the program that they run.

mod at_a_terminal;
mod calling;
mod completions;
mod dlq;
mod doctor;
mod event_source;
mod explain;
mod finding;
mod flight;
mod hanging_up;
mod profiles;

//! Stories in which a process or a server is stopped, doubled or killed, and nobody may be rung twice or
//! left on the line.

mod breaks;
mod cannot_begin;
mod duplicate;
mod redis_killed;
mod server_killed;
mod stalled;
mod stuck;
mod told_to_stop;

//! Stories of `bridge-task worker`: the same messages as in `deployed`, on the same emulator, without router function
//! and tasks; and what only a worker knows.

mod begins;
mod comes_again;
mod ends;
mod many;
mod one_machine;
mod same;
mod seen;
mod settles;
mod waits;

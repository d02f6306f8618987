//! `ocg` against the deployed stack: what operators do, with the program that they run.

mod explain;

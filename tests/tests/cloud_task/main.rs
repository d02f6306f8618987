//! Stories of a deployed task: a real `bridge-task job` that is given what a task definition gives it and nothing
//! more. Bucket, parameters and queue are the AWS emulator's; LiveKit, the phone and the agent's vendor are as in
//! the other stories.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cloud;
mod stories;

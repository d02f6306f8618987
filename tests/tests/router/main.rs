//! Stories of messages on the queue: the real router function, run by the AWS emulator behind an event source
//! mapping, over its S3, SQS and SSM, and our stand-in for ECS.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cloud;
mod stories;

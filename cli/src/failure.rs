//! How a command ends: what a script can rely on.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | it did not work: AWS, LiveKit, the network |
//! | 2 | asked wrongly: options, settings, a file that cannot be read |
//! | 3 | it worked, and the answer is no: not found, refused, something is red |

use std::fmt;

/// How a command that worked ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Done.
    Yes,
    /// The answer is no.
    No,
}

impl Answer {
    /// Yes, if.
    pub fn yes_if(yes: bool) -> Self {
        if yes { Self::Yes } else { Self::No }
    }
}

/// Something was asked for in a way that cannot work; put into an error with [`misuse`].
#[derive(Debug)]
struct Misuse(String);

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Misuse {}

/// An error that is the asker's to mend.
pub fn misuse(sentence: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Misuse(sentence.into()))
}

/// The process's exit code.
pub fn exit_code(done: &anyhow::Result<Answer>) -> u8 {
    match done {
        Ok(Answer::Yes) => 0,
        Ok(Answer::No) => 3,
        Err(problem) if problem.chain().any(|cause| cause.is::<Misuse>()) => 2,
        Err(_) => 1,
    }
}

#[cfg(test)]
mod tests {
    use anyhow::{Context as _, anyhow};

    use super::*;

    #[test]
    fn a_script_can_tell_the_endings_apart() {
        assert_eq!(exit_code(&Ok(Answer::Yes)), 0);
        assert_eq!(exit_code(&Ok(Answer::No)), 3);
        assert_eq!(exit_code(&Err(anyhow!("no answer"))), 1);
        assert_eq!(exit_code(&Err(misuse("no such file")).context("profile put")), 2);
    }
}

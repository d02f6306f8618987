//! What may stand nowhere: secrets in anything that is written, phone numbers in logs and facts.

use anyhow::{Result, ensure};

/// What a call's writings are searched for.
pub(crate) struct Leaks {
    secrets: Vec<String>,
    numbers: Vec<String>,
}

impl Leaks {
    /// `numbers` in E.164.
    pub(crate) fn new(secrets: Vec<String>, numbers: Vec<String>) -> Self {
        // Every JWT begins with `{"` in Base64 (RFC 7515 §3.1); a join URL has its credential in the query.
        let signs = ["eyJ", "?token=", "access_token"].map(str::to_owned);
        let secrets = secrets.into_iter().chain(signs).collect();
        // Without the plus it is the same number.
        let numbers = numbers.iter().map(|number| number.trim_start_matches('+').to_owned()).collect();
        Self { secrets, numbers }
    }

    /// No secret in `text`, which is called `name`.
    pub(crate) fn no_secret_in(&self, name: &str, text: &str) -> Result<()> {
        for secret in &self.secrets {
            ensure!(!text.contains(secret.as_str()), "{name} holds a secret: {}", around(text, secret));
        }
        Ok(())
    }

    /// No full phone number in `text`.
    pub(crate) fn no_number_in(&self, name: &str, text: &str) -> Result<()> {
        for number in &self.numbers {
            ensure!(!text.contains(number.as_str()), "{name} holds a number: {}", around(text, number));
        }
        Ok(())
    }
}

/// The line in which it stands: this is a test's message, and its secrets are its own.
fn around<'a>(text: &'a str, found: &str) -> &'a str {
    text.lines().find(|line| line.contains(found)).unwrap_or_default()
}

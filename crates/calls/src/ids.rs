//! One place where each name is made.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The identity of a call: 32 hex digits. Ids from outside can be long or hostile, so only the key
/// goes into paths, room names, `startedBy` and `clientToken`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallKey(String);

impl CallKey {
    /// The key of a message that has an `id`: SHA-256 over organisation, tenant and id, NUL between.
    pub fn from_ids(organization_id: Option<&str>, tenant_id: Option<&str>, id: &str) -> Self {
        Self::digest(&[organization_id.unwrap_or(""), tenant_id.unwrap_or(""), id])
    }

    /// The key of a message without an `id`: over `sqs` and the SQS message id of its first delivery.
    pub fn from_sqs_message(message_id: &str) -> Self {
        Self::digest(&["sqs", message_id])
    }

    fn digest(parts: &[&str]) -> Self {
        let digest = Sha256::digest(parts.join("\0").as_bytes());
        Self(digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect())
    }

    /// All 32 digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first eight digits, for names that people read.
    pub fn short(&self) -> &str {
        &self.0[..8]
    }
}

impl FromStr for CallKey {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let is_hex = text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if text.len() == 32 && is_hex { Ok(Self(text.to_owned())) } else { Err(BadId::Key) }
    }
}

impl TryFrom<String> for CallKey {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<CallKey> for String {
    fn from(key: CallKey) -> Self {
        key.0
    }
}

impl fmt::Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One attempt at a call: `<key>-a<n>`, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AttemptId {
    /// The call.
    pub key: CallKey,
    /// Which attempt at it: 1, 2, 3 …
    pub number: u32,
}

impl AttemptId {
    /// Attempt `number` (from 1) at the call `key`.
    pub fn new(key: CallKey, number: u32) -> Self {
        Self { key, number }
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-a{}", self.key, self.number)
    }
}

impl FromStr for AttemptId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let (key, number) = text.split_once("-a").ok_or(BadId::Attempt)?;
        let canonical = !number.starts_with('0') && number.bytes().all(|b| b.is_ascii_digit());
        match (key.parse(), number.parse()) {
            (Ok(key), Ok(number)) if canonical => Ok(Self { key, number }),
            _ => Err(BadId::Attempt),
        }
    }
}

impl TryFrom<String> for AttemptId {
    type Error = BadId;
    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<AttemptId> for String {
    fn from(id: AttemptId) -> Self {
        id.to_string()
    }
}

/// Why a text is no id of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// Not a call key.
    #[error("a call key is 32 lower-case hex digits")]
    Key,
    /// Not an attempt.
    #[error("an attempt is <call key>-a<n>, n from 1")]
    Attempt,
}

/// A nonce drawn for one claim or one writer: who holds something is decided by comparing these,
/// never by host, pid or ARN. The shell draws it; the core only carries it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nonce(pub String);

impl Nonce {
    /// The first six characters, for names.
    pub fn short(&self) -> &str {
        self.0.get(..6).unwrap_or(&self.0)
    }
}

/// The room of one attempt by one writer: `call-<key8>-a<n>-<nonce6>`. It carries the nonce, so the
/// loser of a race has a room of its own to delete and never the winner's.
pub fn room_name(attempt: &AttemptId, nonce: &Nonce) -> String {
    format!("call-{}-a{}-{}", attempt.key.short(), attempt.number, nonce.short())
}

/// Our own identity in the room.
pub const BRIDGE_IDENTITY: &str = "ultravox-agent";

/// The callee's identity in the room. Unique per attempt and writer: dialing an identity that is in
/// use hangs up the call that has it.
pub fn callee_identity(attempt: &AttemptId, nonce: &Nonce) -> String {
    format!("callee-{}-a{}-{}", attempt.key.short(), attempt.number, nonce.short())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_first_32_hex_digits_of_sha256_with_nul_between() {
        // printf 'org\0tenant\0id-1' | sha256sum
        let key = CallKey::from_ids(Some("org"), Some("tenant"), "id-1");
        let expected = Sha256::digest(b"org\0tenant\0id-1");
        let hex: String = expected.iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(key.as_str(), &hex[..32]);
    }

    #[test]
    fn absent_ids_count_as_empty_and_parts_never_run_together() {
        assert_eq!(CallKey::from_ids(None, None, "x"), CallKey::from_ids(Some(""), Some(""), "x"));
        assert_ne!(CallKey::from_ids(Some("a"), Some("b"), "x"), CallKey::from_ids(Some("ab"), None, "x"));
    }

    #[test]
    fn an_attempt_reads_back_and_refuses_everything_else() {
        let id = AttemptId::new(CallKey::from_sqs_message("m"), 12);
        assert_eq!(id.to_string().parse::<AttemptId>(), Ok(id));
        let key = CallKey::from_sqs_message("m");
        for bad in [
            "",
            "-a1",
            &format!("{key}-a0"),
            &format!("{key}-a01"),
            &format!("{key}-a"),
            &format!("{key}-a+1"),
        ] {
            assert_eq!(bad.parse::<AttemptId>(), Err(BadId::Attempt), "{bad}");
        }
    }
}

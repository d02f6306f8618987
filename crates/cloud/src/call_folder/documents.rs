//! What stands in the documents of a call folder. Every one has `v: 1`; fields that a reader does not
//! know are ignored, a `v` that it does not know is "try again later".

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use calls::ids::{CallKey, Nonce};
use calls::outcome::Outcome;
use calls::phone::MaskedNumber;
use calls::plan::CallPlan;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The version of the documents' shape that this program writes and reads.
pub const V: u32 = 1;

/// `message.json`: as received, once. The identity's claim.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// [`V`].
    pub v: u32,
    /// Drawn for this claim.
    pub owner: Nonce,
    /// The id of the delivery that made this folder, if it came over a queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqs_message_id: Option<String>,
    /// From when the message's age counts: when it was sent, if known, else when it was received.
    pub since: Timestamp,
    /// The body, byte for byte.
    pub body: String,
    /// The attributes that came with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// `job.json`: what an attempt dials.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// [`V`].
    pub v: u32,
    /// Drawn for this claim.
    pub owner: Nonce,
    /// What is dialed, whatever a message or a profile says later.
    pub plan: CallPlan,
    /// Which attempt, from 1.
    pub attempt: u32,
    /// By whom, for people.
    pub made_by: String,
    /// When.
    pub made_at: Timestamp,
    /// Until when the permission to ring may be taken by the attempt's own task.
    pub deadline: Timestamp,
}

/// `launched.json`: a task was asked for and accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Launched {
    /// [`V`].
    pub v: u32,
    /// The task, such as its ARN.
    pub task: String,
    /// When.
    pub at: Timestamp,
}

/// `dial.json`: the permission to ring.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DialClaim {
    /// [`V`].
    pub v: u32,
    /// Drawn for this claim.
    pub owner: Nonce,
    /// The task that holds it (its ARN, or host and process), for finding out whether it still lives.
    /// A settler writes its own name.
    pub task: String,
    /// The room of this attempt by this task, to be deleted by whoever settles it. None: it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// The callee's identity in that room.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub callee_identity: Option<String>,
    /// The vendor's id of the agent's call, to be ended by whoever settles this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent_call_id: Option<String>,
    /// After this the dial may not leave any more.
    pub invite_by: Timestamp,
    /// After this anyone may settle the attempt.
    pub deadline: Timestamp,
    /// The task failed before it could dial, and why. Nothing rings by this claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_before_dial: Option<String>,
    /// A settler took the claim, and this is what it decided. Nothing rings by this claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

/// What a settler decided; whoever finds it half done carries it out again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// The outcome to be written.
    pub outcome: Outcome,
    /// What follows.
    pub next: Follow,
}

/// `next.json`: what followed an attempt, written after it was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Next {
    /// [`V`].
    pub v: u32,
    /// What.
    pub next: Follow,
    /// When.
    pub at: Timestamp,
}

/// What follows an attempt. On the wire `nothing`, `attempt 2`, `deferred`, `dead letter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Follow {
    /// The call has ended.
    Nothing,
    /// A new attempt was asked for.
    Attempt(u32),
    /// The message was put back for the call hours.
    Deferred,
    /// The message went to the dead letters; the call has ended.
    DeadLetter,
}

impl Follow {
    /// Has the call ended with this?
    pub fn ends_the_call(self) -> bool {
        matches!(self, Self::Nothing | Self::DeadLetter)
    }
}

impl fmt::Display for Follow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Attempt(number) => write!(f, "attempt {number}"),
            Self::Deferred => f.write_str("deferred"),
            Self::DeadLetter => f.write_str("dead letter"),
        }
    }
}

/// A text that names nothing that could follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what follows is nothing, attempt <n>, deferred or dead letter")]
pub struct BadFollow;

impl FromStr for Follow {
    type Err = BadFollow;
    fn from_str(text: &str) -> Result<Self, BadFollow> {
        match text {
            "nothing" => Ok(Self::Nothing),
            "deferred" => Ok(Self::Deferred),
            "dead letter" => Ok(Self::DeadLetter),
            other => {
                let number = other.strip_prefix("attempt ").ok_or(BadFollow)?;
                number.parse().map(Self::Attempt).map_err(|_| BadFollow)
            }
        }
    }
}

impl TryFrom<String> for Follow {
    type Error = BadFollow;
    fn try_from(text: String) -> Result<Self, BadFollow> {
        text.parse()
    }
}

impl From<Follow> for String {
    fn from(follow: Follow) -> Self {
        follow.to_string()
    }
}

/// `open/<key>-a<n>`: the attempt is not settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    /// [`V`].
    pub v: u32,
    /// Since when.
    pub at: Timestamp,
}

/// `back/<sqs message id>.json`: that delivery was put back as a new message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Back {
    /// [`V`].
    pub v: u32,
    /// When.
    pub at: Timestamp,
}

/// `by-day/…`: by which people find a call. No number in it that could be dialed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ByDay {
    /// [`V`].
    pub v: u32,
    /// The call.
    pub key: CallKey,
    /// When it was accepted; also makes the path.
    pub at: Timestamp,
    /// The id that events carry.
    pub call_id: String,
    /// ISO 3166-1 alpha-2.
    pub country: String,
    /// `+5511•••••5678`; none for a call that comes in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masked_number: Option<MaskedNumber>,
    /// SHA-256 of the E.164 number, hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number_sha256: Option<String>,
    /// `metadata.campaignId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub campaign_id: Option<String>,
    /// `metadata.customerId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_follows_is_written_in_words() {
        for (follow, text) in [
            (Follow::Nothing, "\"nothing\""),
            (Follow::Attempt(2), "\"attempt 2\""),
            (Follow::Deferred, "\"deferred\""),
            (Follow::DeadLetter, "\"dead letter\""),
        ] {
            assert_eq!(serde_json::to_string(&follow).unwrap(), text);
            assert_eq!(serde_json::from_str::<Follow>(text).unwrap(), follow);
        }
        assert!("attempt".parse::<Follow>().is_err());
        assert!("attempt x".parse::<Follow>().is_err());
    }
}

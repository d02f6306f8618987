//! What stands in the documents of a call folder. Every one has `v: 1`; fields that a reader does not
//! know are ignored, a `v` that it does not know is "try again later".

use std::collections::BTreeMap;

use calls::ids::{CallKey, Nonce};
use calls::phone::MaskedNumber;
use calls::plan::CallPlan;
pub use calls::settle::{Decision, Follow};
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
    /// In which trace its message came (W3C Trace Context); none: in its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
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

impl DialClaim {
    /// The claim of who settles, gives up or hangs up: nobody rings by it, and whoever finds it carries the decision
    /// out. `by` is a name for people.
    pub fn decided(by: &str, at: Timestamp, decision: Decision) -> Self {
        Self {
            v: V,
            owner: super::draw_nonce(),
            task: by.to_owned(),
            room: None,
            callee_identity: None,
            agent_call_id: None,
            invite_by: at,
            deadline: at,
            failed_before_dial: None,
            decision: Some(decision),
        }
    }
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

/// `open/<key>-a<n>`: the attempt is not settled.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Open {
    /// [`V`].
    pub v: u32,
    /// Since when.
    pub at: Timestamp,
}

/// `back/n<nth>-<sqs message id>.json`: that delivery was put back as a new message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Back {
    /// [`V`].
    pub v: u32,
    /// When.
    pub at: Timestamp,
}

/// `pace/<CC>/<key>-a<n>-<nonce6>`: the attempt has a place among the calls of its country.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PlaceTaken {
    /// [`V`].
    pub v: u32,
    /// Since when.
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

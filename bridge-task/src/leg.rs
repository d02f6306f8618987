//! The permission to ring, and the ringing.

use std::collections::HashMap;
use std::time::Duration;

use calls::call::{Input, LegEvent};
use calls::plan::Leg;
use calls::secret::Secret;
use calls::sip_outcome::{DialFailure, NotSent};
use cloud::call_folder::documents::{DialClaim, V};
use cloud::call_folder::{Claimed, draw_nonce};
use jiff::{SignedDuration, Timestamp};
use rooms::DialRequest;

use crate::clock;
use crate::job::Job;

/// How long after the claim the dial may still leave.
pub(crate) const INVITE_WITHIN: SignedDuration = SignedDuration::from_secs(30);
/// Beyond `inviteBy`, ring time and longest call, before anyone may settle the attempt.
const SETTLE_MARGIN: SignedDuration = SignedDuration::from_secs(120);

/// What a claim permits: a dial until `invite_by`, with a token that dies then.
#[derive(Debug)]
pub struct Permit {
    token: Secret,
    invite_by: Timestamp,
}

/// The claim to be taken. The token that will dial is made first, so that it can never outlive the claim.
pub fn permit(livekit: &rooms::Livekit) -> Result<Permit, String> {
    let invite_by = clock::wall() + INVITE_WITHIN;
    let token = livekit.dial_token(invite_by).map_err(|error| error.to_string())?;
    Ok(Permit { token, invite_by })
}

/// The claim as it is written.
pub fn claim(
    job: &Job,
    agent_call_id: Option<String>,
    invite_by: Timestamp,
    failed: Option<String>,
) -> DialClaim {
    let dial = &job.plan.profile.dial;
    let call = SignedDuration::from_secs(i64::from(dial.ring_seconds) + i64::from(dial.max_call_seconds));
    DialClaim {
        v: V,
        owner: draw_nonce(),
        task: job.task.clone(),
        room: Some(job.room.clone()),
        callee_identity: job.callee_identity.clone(),
        agent_call_id,
        invite_by,
        deadline: invite_by + call + SETTLE_MARGIN,
        failed_before_dial: failed,
        decision: None,
    }
}

/// The claim of a task that failed before it could even make a room of its own. Nothing rings by it, so it is
/// settled soon.
pub fn claim_without_dial(task: &str, now: Timestamp, failed: String) -> DialClaim {
    DialClaim {
        v: V,
        owner: draw_nonce(),
        task: task.to_owned(),
        room: None,
        callee_identity: None,
        agent_call_id: None,
        invite_by: now,
        deadline: now + SETTLE_MARGIN,
        failed_before_dial: Some(failed),
        decision: None,
    }
}

/// What became of taking the claim.
pub fn claim_result(result: Result<Claimed<DialClaim>, cloud::call_folder::StoreError>) -> Input {
    Input::Leg(match result {
        Ok(Claimed::Ours) => LegEvent::ClaimOurs,
        Ok(Claimed::Theirs(other)) => {
            LegEvent::ClaimTaken { detail: format!("the permission to ring is held by {}", other.task) }
        }
        Err(error) => LegEvent::ClaimFailed { detail: error.to_string() },
    })
}

/// Whom to dial and how.
pub fn dial_request(job: &Job) -> Option<DialRequest> {
    let Leg::Outbound { to } = &job.plan.leg else { return None };
    let profile = &job.plan.profile;
    Some(DialRequest {
        trunk_id: profile.livekit.trunk_id.clone(),
        to: to.clone(),
        caller_id: Some(profile.livekit.caller_id.clone()),
        room: job.room.clone(),
        callee_identity: job.callee_identity.clone()?,
        callee_name: "callee".to_owned(),
        attributes: HashMap::from([("ocg.attempt".to_owned(), job.attempt.to_string())]),
        ring: Duration::from_secs(profile.dial.ring_seconds.into()),
        longest_call: Duration::from_secs(profile.dial.max_call_seconds.into()),
        krisp: profile.livekit.krisp,
    })
}

/// Rings the phone, once.
pub async fn dial(livekit: rooms::Livekit, request: Option<DialRequest>, permit: Option<Permit>) -> Input {
    let (Some(request), Some(permit)) = (request, permit) else {
        let detail = "there is no permission to ring".to_owned();
        return Input::Leg(LegEvent::DialFailed(DialFailure::NotSent { cause: NotSent::TooLate, detail }));
    };
    Input::Leg(match livekit.dial(&request, &permit.token, permit.invite_by, clock::wall).await {
        Ok(_) => LegEvent::Dialed,
        Err(failure) => LegEvent::DialFailed(failure),
    })
}

impl Permit {
    /// Until when the dial may leave.
    pub fn invite_by(&self) -> Timestamp {
        self.invite_by
    }
}

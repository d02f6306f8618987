//! `ocg call`: puts one real message on the queue and follows what becomes of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use calls::ids::CallKey;
use calls::outcome::OutcomeKind;
use calls::profile::Profiles;
use clap::Args;
use cloud::call_folder::{CallFolders, draw_nonce};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::explain::Verdict;
use crate::failure::{Answer, misuse};
use crate::output::{Output, RED, styled};
use crate::settings::Settings;
use crate::stack::Stack;
use crate::tail;

/// After this somebody who waits wants to know why nothing happens.
const STILL_NOTHING: Duration = Duration::from_secs(20);
const GLANCE: Duration = Duration::from_millis(500);

/// `ocg call`
#[derive(Args, Debug)]
pub struct Call {
    /// Whom to call, E.164: +5511987654321.
    #[arg(long, value_name = "NUMBER")]
    to: String,
    /// What the agent is told to be and do.
    #[arg(
        long,
        value_name = "TEXT",
        required_unless_present = "prompt_file",
        conflicts_with = "prompt_file"
    )]
    prompt: Option<String>,
    /// The same, from a file.
    #[arg(long, value_name = "FILE")]
    prompt_file: Option<PathBuf>,
    /// What the agent says first.
    #[arg(long, value_name = "TEXT")]
    greeting: Option<String>,
    /// A voice other than the profile's.
    #[arg(long, value_name = "VOICE")]
    voice: Option<String>,
    /// metadata.campaignId
    #[arg(long, value_name = "ID")]
    campaign: Option<String>,
    /// metadata.customerId
    #[arg(long, value_name = "ID")]
    customer: Option<String>,
    /// The call's id [default: a new one]. The same id is called once, however often it is sent.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Send it and end.
    #[arg(long)]
    no_follow: bool,
}

/// Sends and follows. Yes: somebody answered.
pub async fn run(asked: &Call, settings: &Settings, output: &Output) -> anyhow::Result<Answer> {
    let id = asked.id.clone().unwrap_or_else(|| format!("ocg-{}", &draw_nonce().0[..16]));
    let body = message(asked, &id)?.to_string();
    let stack = Stack::find(settings).await?;
    let profiles = stack.profiles().get(false).await.map_err(anyhow::Error::msg)?.profiles;
    if let Some(answer) = refused(&body, &profiles, output)? {
        return Ok(answer);
    }
    let key = CallKey::from_ids(None, None, &id);
    output.remark(format!("call {id}, key {key}"));
    // A send without an answer may have got through. The same id again is the same call, a new one would ring twice.
    let sent = stack.trigger_calls()?.send(&body, &[]).await;
    let sent =
        sent.with_context(|| format!("it may have been sent all the same: say it again with --id {id}"))?;
    match output.json {
        true => output.object(&json!({ "callId": id, "key": key, "messageId": sent }))?,
        false => output.say(format!("sent: call {id}, key {key}")),
    }
    if asked.no_follow {
        return Ok(Answer::Yes);
    }
    tokio::select! {
        followed = follow(&stack, &key, output) => followed,
        _ = tokio::signal::ctrl_c() => {
            output.remark(format!("not followed any more. The call goes on: ocg tail {key}, ocg hangup {key}"));
            Ok(Answer::No)
        }
    }
}

fn message(asked: &Call, id: &str) -> anyhow::Result<Value> {
    let prompt = match (&asked.prompt, &asked.prompt_file) {
        (Some(prompt), _) => prompt.clone(),
        (None, Some(file)) => std::fs::read_to_string(file)
            .map_err(|error| misuse(format!("cannot read --prompt-file {}: {error}", file.display())))?,
        (None, None) => return Err(misuse("what is the agent told? Give --prompt or --prompt-file")),
    };
    Ok(json!({
        "messageType": "TRIGGER_CALL",
        "id": id,
        "source": "ocg",
        "metadata": {
            "campaignId": asked.campaign,
            "customerId": asked.customer,
            "voiceId": asked.voice,
            "phoneNumbers": [{ "number": asked.to, "order": 0 }],
            "subject": { "prompt": { "text": prompt, "greetingMessage": asked.greeting } },
        },
    }))
}

/// What the router would refuse is not sent at all.
fn refused(body: &str, profiles: &Arc<Profiles>, output: &Output) -> anyhow::Result<Option<Answer>> {
    let verdict = Verdict::of(body.as_bytes(), profiles);
    let why = match &verdict {
        Verdict::Dial { .. } => return Ok(None),
        Verdict::Refuse { code, detail, .. } => format!("{code}: {detail}"),
        Verdict::Retry { detail } => detail.clone(),
    };
    match output.json {
        true => output.object(&verdict)?,
        false => output.say(format!("{} nothing was sent: {why}", styled(RED, "refused"))),
    }
    Ok(Some(Answer::No))
}

async fn follow(stack: &Stack, key: &CallKey, output: &Output) -> anyhow::Result<Answer> {
    let folders = stack.folders()?;
    if !has_begun(&folders, key, stack, output).await? {
        return Ok(Answer::No);
    }
    let ended = tail::follow(&folders, key, true, output).await?;
    let (attempt, outcome) = ended.context("the call has no outcome")?;
    tail::show_end(&attempt, &outcome, output)?;
    Ok(Answer::yes_if(outcome.outcome == OutcomeKind::Answered))
}

/// Waits for its folder; `false`: the message is neither on the queue any more nor has it become a call.
async fn has_begun(
    folders: &CallFolders,
    key: &CallKey,
    stack: &Stack,
    output: &Output,
) -> anyhow::Result<bool> {
    let mut patience = Instant::now() + STILL_NOTHING;
    while folders.brief(key).await?.is_none() {
        if Instant::now() >= patience {
            let depth = stack.trigger_calls()?.depth().await.map_err(anyhow::Error::msg)?;
            let dead = stack.dead_letters()?.depth().await.map_err(anyhow::Error::msg)?;
            let (queued, dead) =
                (depth.waiting + depth.delayed + depth.in_flight, dead.waiting + dead.in_flight);
            if queued == 0 && dead > 0 {
                output.remark(format!(
                    "the message is on the queue no more; it was refused: ocg dlq show {key}"
                ));
                return Ok(false);
            }
            output.remark(format!(
                "nobody has taken the message up yet; on the queue are {} waiting and {} being routed. Paused? ocg \
                 doctor says",
                depth.waiting, depth.in_flight
            ));
            patience = Instant::now() + STILL_NOTHING;
        }
        tokio::time::sleep(GLANCE).await;
    }
    Ok(true)
}

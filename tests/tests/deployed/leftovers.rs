//! What a dead task leaves at others: its room at LiveKit, its agent's call at the vendor.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use calls::ids::AttemptId;
use calls::outcome::OutcomeKind;
use calls::settle::Follow;
use cloud::call_folder::draw_nonce;
use livekit_api::services::room::CreateRoomOptions;
use rooms::RoomMetadata;
use rustix::process::Signal;
use sim::stack::Call;
use sim::ultravox::{EndReason, Trouble};
use tests::cloud::{Cloud, alone_in_the_cloud, in_the_cloud, wait_for};
use tests::{agent, person};

/// Long enough for the agent to talk, and far shorter than the bridge needs to notice.
const STALLS_AFTER: Duration = Duration::from_millis(2500);

/// A room that stays although nobody is in it.
async fn room(cloud: &Cloud, name: &str, metadata: String) -> Result<String> {
    let name = format!("{name}-{}", draw_nonce().0);
    let options = CreateRoomOptions { metadata, empty_timeout: 300, ..CreateRoomOptions::default() };
    cloud.stack.room_client().create_room(&name, options).await?;
    Ok(name)
}

fn of(stage: &str, attempt: &AttemptId) -> Result<String> {
    Ok(serde_json::to_string(&RoomMetadata::of(stage, attempt))?)
}

#[test]
fn a_sweep_deletes_rooms_of_calls_that_have_ended_and_touches_no_others() {
    in_the_cloud(async |cloud| {
        let stage = cloud.stage().await?;
        let call = cloud.call_to(person::busy()).await?.send().await?;
        ensure!(cloud.settled(&call.attempt).await? == Follow::Nothing, "something followed");
        let under_way = AttemptId::new(call.attempt.key.clone(), 2);
        let left_over = room(cloud, "left-over", of(&stage, &call.attempt)?).await?;
        let spared = [
            room(cloud, "another-stage", of(&format!("{stage}-2"), &call.attempt)?).await?,
            room(cloud, "without-an-outcome", of(&stage, &under_way)?).await?,
            room(cloud, "somebody-elses", "{\"stage\":\"ours\"}".to_owned()).await?,
            room(cloud, "without-metadata", String::new()).await?,
        ];
        cloud.sweep().await?;
        let rooms = cloud.stack.rooms().await?;
        ensure!(!rooms.contains(&left_over), "{left_over} is left over: {rooms:?}");
        for room in &spared {
            ensure!(rooms.contains(room), "{room} was not ours to delete: {rooms:?}");
            cloud.stack.room_client().delete_room(room).await?;
        }
        Ok(())
    });
}

/// The vendor does not notice that the bridge has gone, as where a machine dies and no FIN is sent.
#[test]
fn an_agents_call_whose_bridge_died_is_ended_at_the_vendor() {
    alone_in_the_cloud(async |cloud| {
        let before = cloud.vendor.script();
        let stalls_after = u32::try_from(STALLS_AFTER.as_millis())?;
        cloud.vendor.set_script(agent::with_trouble(before.clone(), stalls_after, Trouble::Stall))?;
        let ended = is_ended_at_the_vendor(cloud).await;
        cloud.vendor.set_script(before)?;
        ended
    });
}

async fn is_ended_at_the_vendor(cloud: &Cloud) -> Result<()> {
    let call = cloud.call_to(person::talkative()).await?.send().await?;
    call.phone("it is answered", Call::is_answered).await?;
    tokio::time::sleep(STALLS_AFTER + Duration::from_secs(1)).await;
    let claim = call.folder().await?.dial.context("no claim")?;
    let id = claim.agent_call_id.context("the claim names no call of the agent's")?;
    let agent =
        || cloud.vendor.calls().into_iter().find(|agent| agent.id == id).context("the vendor has none");
    let joined = agent()?;
    ensure!(joined.joined.is_some() && joined.ended.is_none(), "{joined:#?}");
    call.signal_tasks(Signal::KILL)?;
    let outcome = call.has_ended().await?.outcome.context("no outcome")?;
    ensure!(outcome.outcome == OutcomeKind::Unknown, "{outcome:#?}");
    let ended = wait_for("the agent's call is ended", Duration::from_secs(20), async || {
        Ok(Some(agent()?).filter(|agent| agent.ended.is_some()))
    })
    .await?;
    let asked = ended.texts.iter().filter(|text| text.contains("\"hang_up\"")).count();
    ensure!(ended.end_reason == Some(EndReason::Hangup) && asked == 1, "{ended:#?}");
    call.rang_once().await
}

//! Which calls there were.

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tests::cloud::in_the_cloud;
use tests::person;

#[test]
fn calls_are_found_by_number_campaign_and_outcome() {
    in_the_cloud(async |cloud| {
        let call = cloud.call_to(person::busy()).await?.send().await?;
        call.outcome().await?;
        let by_number = cloud
            .ocg(&["calls", "find", "--number", &call.number, "--json"])
            .await?
            .ends_with(0)?
            .objects()?;
        ensure!(by_number.len() == 1 && by_number[0]["callId"] == call.id, "{by_number:#?}");
        ensure!(
            by_number[0]["outcome"]["reason"] == "busy" && by_number[0]["state"] == "not-answered",
            "{by_number:#?}"
        );
        let in_campaign = cloud
            .ocg(&["calls", "find", "--campaign", "deployed", "--json"])
            .await?
            .ends_with(0)?
            .objects()?;
        ensure!(in_campaign.iter().any(|found| found["callId"] == call.id), "{in_campaign:#?}");
        cloud.ocg(&["calls", "find", "--customer", "nobody"]).await?.ends_with(3)?;
        cloud.ocg(&["calls", "find"]).await?.ends_with(2)?;

        let of_today =
            cloud.ocg(&["calls", "ls", "--outcome", "not-answered", "--limit", "1000", "--json"]).await?;
        let of_today = of_today.ends_with(0)?.objects()?;
        ensure!(of_today.iter().any(|found| found["callId"] == call.id), "{of_today:#?}");
        let for_people = cloud.ocg(&["calls", "ls"]).await?.ends_with(0)?;
        ensure!(
            for_people.said.contains("not-answered") && for_people.said.contains(call.attempt.key.short())
        );
        ensure!(!for_people.said.contains(&call.number), "{}", for_people.said);
        Ok(())
    });
}

#[test]
fn a_customers_calls_are_found() {
    in_the_cloud(async |cloud| {
        let mut calls = [cloud.call_to(person::busy()).await?, cloud.call_to(person::busy()).await?];
        let customer = format!("customer of {}", calls[0].id);
        for (call, of) in calls.iter_mut().zip([&customer, "somebody else"]) {
            let mut message: Value = serde_json::from_str(&call.body)?;
            message["metadata"]["customerId"] = of.into();
            call.body = message.to_string();
        }
        for call in calls {
            call.send().await?.outcome().await?;
        }
        let found = cloud
            .ocg(&["calls", "find", "--customer", &customer, "--json"])
            .await?
            .ends_with(0)?
            .objects()?;
        ensure!(
            found.len() == 1 && customer.ends_with(found[0]["callId"].as_str().unwrap_or("?")),
            "{found:#?}"
        );
        ensure!(found[0]["customerId"] == customer && found[0]["state"] == "not-answered", "{found:#?}");
        // All that is asked for must be true.
        let wrong = ["calls", "find", "--customer", &customer, "--campaign", "another"];
        cloud.ocg(&wrong).await?.ends_with(3)?;
        let table = cloud.ocg(&["calls", "find", "--customer", &customer]).await?.ends_with(0)?.said;
        ensure!(table.contains(&customer) && !table.contains("somebody else"), "{table}");
        Ok(())
    });
}

#[test]
fn a_calls_facts_are_told_by_its_id_its_key_or_the_beginning_of_that() {
    in_the_cloud(async |cloud| {
        let call = cloud.call_to(person::busy()).await?.send().await?;
        call.outcome().await?;
        for name in [call.id.as_str(), call.attempt.key.as_str(), call.attempt.key.short()] {
            let told = cloud.ocg(&["tail", name]).await?.ends_with(0)?.said;
            ensure!(told.contains("dialing") && told.contains("busy"), "{name}: {told}");
        }
        let facts = cloud.ocg(&["tail", &call.id, "--json"]).await?.ends_with(0)?.objects()?;
        let names: Vec<&Value> = facts.iter().map(|line| &line["fact"]).collect();
        for name in ["message-accepted", "attempt-claimed", "dial-claimed", "dialing", "outcome-written"] {
            ensure!(names.iter().any(|fact| **fact == name), "{name}: {names:?}");
        }
        let last = facts.last().context("nothing")?;
        ensure!(last["outcome"]["outcome"] == "not-answered", "{last}");
        let unknown = cloud.ocg(&["tail", "no-such-call"]).await?.ends_with(3)?;
        ensure!(unknown.remarked.contains("ocg dlq ls"), "{}", unknown.remarked);
        Ok(())
    });
}

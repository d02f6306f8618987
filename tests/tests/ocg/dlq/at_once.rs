//! Two operators, and one who is interrupted.

use std::collections::BTreeSet;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tests::cloud::{alone_in_the_cloud, wait_for};
use tests::person;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::{Instant, timeout};

use super::back::unserved;
use super::{dead_letters, is_there, letter_of, listed, put_letter, serve, text};

const OF_PARAGUAY: [&str; 4] = ["--country", "PY", "--rate", "50"];

#[test]
fn two_operators_at_once_send_each_letter_back_once() {
    alone_in_the_cloud(async |cloud| {
        let mut calls = Vec::new();
        for nth in 0..8 {
            calls.push(unserved(cloud, &format!("+5952145670{nth}"), &person::busy()).await?);
        }
        let ours = |letters: Vec<Value>| -> BTreeSet<String> {
            let of_paraguay = letters.iter().filter(|letter| letter["country"] == "PY");
            of_paraguay.filter_map(|letter| Some(letter["id"].as_str()?.to_owned())).collect()
        };
        let letters = wait_for("all are letters", Duration::from_secs(60), async || {
            Ok(Some(ours(listed(cloud).await?)).filter(|letters| letters.len() == calls.len()))
        })
        .await?;
        serve(cloud, "PY", "+595").await?;
        let words = [&["dlq", "redrive", "--json"][..], &OF_PARAGUAY].concat();
        let (one, other) = tokio::try_join!(cloud.ocg(&words), cloud.ocg(&words))?;
        let (one, mut both) = (one.objects()?, other.objects()?);
        both.extend(one);
        ensure!(both.iter().all(|done| done["result"] == "redriven"), "{both:#?}");
        ensure!(both.len() == calls.len() && ours_of(&both) == letters, "{both:#?}");
        for call in &calls {
            call.outcome().await?;
            call.rang_once().await?;
        }
        Ok(())
    });
}

fn ours_of(done: &[Value]) -> BTreeSet<String> {
    done.iter().filter_map(|done| Some(done["id"].as_str()?.to_owned())).collect()
}

#[test]
fn who_is_interrupted_gives_letters_back_at_once() {
    alone_in_the_cloud(async |cloud| {
        let mut ids = Vec::new();
        for nth in 0..3 {
            ids.push(put_letter(cloud, &format!("not json either {nth}"), &[]).await?);
        }
        let mut words = vec!["dlq", "redrive", "--rate", "1", "--even-if-refused", "--json"];
        words.extend(ids.iter().flat_map(|id| ["--id", id.as_str()]));
        let mut ocg = cloud.ocg_command(&words).await?.spawn()?;
        let pid = i32::try_from(ocg.id().context("no process")?)?;
        let pid = Pid::from_raw(pid).context("no process")?;
        let mut lines = BufReader::new(ocg.stdout.take().context("no stdout")?).lines();
        lines.next_line().await?.context("nothing was redriven")?;
        kill_process(pid, Signal::INT)?;
        let interrupted = Instant::now();
        let mut sent = 1;
        while let Some(_line) = lines.next_line().await? {
            sent += 1;
        }
        let ended = ocg.wait().await?;
        ensure!(ended.code() == Some(1) && interrupted.elapsed() < Duration::from_secs(3), "{ended}");
        ensure!(sent < 3, "it was not interrupted");
        let there = listed(cloud).await?;
        let left = ids.iter().filter(|id| there.iter().any(|letter| letter["id"] == id.as_str())).count();
        ensure!(left == 3 - sent, "{left} are left of 3, {sent} went back");
        Ok(())
    });
}

/// Held longer than a letter stays hidden by itself.
#[test]
fn a_letter_is_nobody_elses_for_as_long_as_somebody_edits_it() -> Result<()> {
    tests::cloud::in_a_cloud_apart(&[], async |cloud| {
        let call = unserved(cloud, "+5714567890", &person::busy()).await?;
        let found = letter_of(cloud, &call).await?;
        let id = text(&found, "id")?;
        let mut editing = cloud.ocg_command(&["dlq", "patch", id, "--edit"]).await?;
        editing.env("VISUAL", "sleep 75 #").env("PATH", "/usr/bin:/bin").stdout(Stdio::null());
        let mut editing = editing.spawn()?;
        let queue = dead_letters(cloud).await?;
        wait_for("somebody has it in hand", Duration::from_secs(20), async || {
            let depth = queue.depth().await.map_err(anyhow::Error::msg)?;
            Ok((depth.in_flight == 1).then_some(()))
        })
        .await?;
        let until = Instant::now() + Duration::from_secs(65);
        while Instant::now() < until {
            let received = queue.receive(1, Duration::from_secs(5), Duration::ZERO).await;
            ensure!(received.map_err(anyhow::Error::msg)?.is_empty(), "somebody else got it");
        }
        let ended = timeout(Duration::from_secs(30), editing.wait()).await??;
        ensure!(ended.code() == Some(3), "nothing was changed: {ended}");
        is_there(cloud, id).await
    });
    Ok(())
}

//! The flight recorder, on calls that were really made.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use calls::outcome::EndReason;
use serde_json::Value;
use sim::stack::Step;
use sim::ultravox::Script;
use tests::ocg::{on_disk, program};
use tests::{LiveCall, Scene, agent, person, story};

fn shown(path: &Path) -> Result<&str> {
    path.to_str().context("no text")
}

/// The callee interrupts the agent, which is ten seconds ahead, and types a key.
async fn interrupted(scene: &Scene) -> Result<LiveCall> {
    let interrupts = [Step::wait_for_voice(10_000), Step::wait(1000), person::talk(1000), Step::dtmf("7")];
    let person = person::who([Step::wait(300), person::talk(600)].into_iter().chain(interrupts));
    let lines = vec![agent::line(10_000), agent::line(1000)];
    scene.arrange().person(person).agent(Script { lines, hang_up: true, ..Script::default() }).place().await
}

#[test]
fn a_calls_life_is_told_from_its_folder() {
    if program().is_none() {
        return;
    }
    story(async |scene| {
        let call = interrupted(scene).await?;
        let (dir, key, number) =
            (call.dir().to_owned(), call.attempt().key.clone(), call.number().to_owned());
        call.ends().await?.is_answered(EndReason::AgentHangup)?;
        let dir = shown(&dir)?;

        let told = on_disk(&["flight", "show", key.as_str(), "--calls", dir]).await?.ends_with(0)?.said;
        for part in [
            "The agent said goodbye",
            "Yes: ",
            "what went wrong?",
            "room and agent",
            "dialing",
            "answered",
            "barge-in",
            "key pressed",
            "last words",
            "room deleted",
            "a character a second",
            "callee",
            "queued",
        ] {
            ensure!(told.contains(part), "{part}: {told}");
        }
        ensure!(!told.contains(&number) && !told.contains("sound, a second"), "{told}");
        let seconds = on_disk(&["flight", "show", dir, "--seconds"]).await?.ends_with(0)?.said;
        ensure!(seconds.matches("sound, a second").count() > 3, "{seconds}");

        let objects = on_disk(&["flight", "show", dir, "--json"]).await?.ends_with(0)?.objects()?;
        ensure!(objects[0]["findings"]["tone"] != "open", "{:#}", objects[0]);
        let barge_in = objects.iter().find(|object| object["fact"] == "barge-in").context("no barge-in")?;
        ensure!(barge_in["lane"] == "callee" && barge_in["isTrouble"] == false, "{barge_in:#}");
        Ok(())
    });
}

#[test]
fn a_call_that_goes_on_is_shown_as_far_as_it_came() {
    if program().is_none() {
        return;
    }
    story(async |scene| {
        let call = scene.arrange().agent(agent::who_says([agent::line(500)])).place().await?;
        call.is_talking().await?;
        // Facts are written every five seconds.
        tokio::time::sleep(std::time::Duration::from_secs(6)).await;
        let (dir, page) = (call.dir().to_owned(), scene.dir().join("running.html"));
        let told = on_disk(&["flight", "show", shown(&dir)?]).await?.ends_with(0)?.said;
        ensure!(told.contains("Not ended yet") && told.contains("answered"), "{told}");
        on_disk(&["flight", "html", shown(&dir)?, "-o", shown(&page)?]).await?.ends_with(0)?;
        let page = std::fs::read_to_string(page)?;
        ensure!(
            page.contains(r#""tone":"open""#) && page.contains(r#""recording":null"#),
            "a page of a call that is over"
        );
        call.callee_hangs_up().await?;
        call.ends().await?.is_answered(EndReason::CalleeHangup)
    });
}

#[test]
fn an_export_is_read_by_who_has_no_store_and_says_nobodys_number() {
    if program().is_none() {
        return;
    }
    story(async |scene| {
        let call = interrupted(scene).await?;
        let (dir, number, attempt) =
            (call.dir().to_owned(), call.number().to_owned(), call.attempt().clone());
        call.ends().await?.is_answered(EndReason::AgentHangup)?;
        let (whole, hidden) = (scene.dir().join("whole"), scene.dir().join("hidden"));
        on_disk(&["flight", "export", shown(&dir)?, "-o", shown(&whole)?]).await?.ends_with(0)?;
        let folder = |root: &Path| root.join("calls").join(attempt.key.as_str()).join("a1");
        for file in ["callee.opus", "agent.opus", "outcome.json"] {
            ensure!(
                std::fs::read(folder(&whole).join(file))? == std::fs::read(folder(&dir).join(file))?,
                "{file}"
            );
        }
        on_disk(&["flight", "export", shown(&dir)?, "-o", shown(&whole)?]).await?.ends_with(2)?;

        let words = ["--redact", "--without-transcript", "--without-audio"];
        let export = ["flight", "export", shown(&dir)?, "-o", shown(&hidden)?].into_iter().chain(words);
        on_disk(&export.collect::<Vec<_>>()).await?.ends_with(0)?;
        let files = texts_below(&hidden)?;
        ensure!(files.len() >= 5, "{files:#?}");
        for (name, text) in &files {
            ensure!(!name.ends_with(".opus"), "{name}");
            let national = &number[5..];
            ensure!(!text.contains(national) && !text.contains(attempt.key.short()), "{name}: {text}");
            ensure!(!text.contains("appointment"), "{name} has the prompt: {text}");
        }
        let [of_all, of_hidden] = [&whole, &hidden].map(|root| async move {
            let told = on_disk(&["flight", "show", shown(root)?, "--json"]).await?.ends_with(0)?.objects()?;
            Ok::<Value, anyhow::Error>(told[0]["findings"].clone())
        });
        let (of_all, of_hidden) = (of_all.await?, of_hidden.await?);
        ensure!(of_all["verdict"] == of_hidden["verdict"], "{of_all:#} {of_hidden:#}");
        let same = on_disk(&["flight", "diff", shown(&dir)?, shown(&whole)?]).await?.ends_with(0)?.said;
        ensure!(same.contains("nothing is different"), "{same}");
        Ok(())
    });
}

/// Every file below a directory, by its path.
fn texts_below(dir: &Path) -> Result<Vec<(String, String)>> {
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        match path.is_dir() {
            true => texts.append(&mut texts_below(&path)?),
            false => texts.push((
                path.display().to_string(),
                String::from_utf8_lossy(&std::fs::read(&path)?).into_owned(),
            )),
        }
    }
    Ok(texts)
}

#[test]
fn what_is_not_there_is_said_and_what_is_ambiguous_too() {
    if program().is_none() {
        return;
    }
    story(async |scene| {
        let empty = scene.dir().join("empty");
        std::fs::create_dir_all(&empty)?;
        let none = on_disk(&["flight", "show", shown(&empty)?]).await?.ends_with(2)?;
        ensure!(none.remarked.contains("there is no call in"), "{}", none.remarked);
        let unknown =
            on_disk(&["flight", "show", "no-such-call", "--calls", shown(&empty)?]).await?.ends_with(3)?;
        ensure!(unknown.remarked.contains("there is no call no-such-call"), "{}", unknown.remarked);
        for key in ["0123456789abcdef0123456789abcdef", "1123456789abcdef0123456789abcdef"] {
            std::fs::create_dir_all(empty.join("calls").join(key).join("a1"))?;
        }
        let two = on_disk(&["flight", "show", shown(&empty)?]).await?.ends_with(2)?;
        ensure!(two.remarked.contains("there are 2 calls in"), "{}", two.remarked);
        Ok(())
    });
}

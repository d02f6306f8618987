//! One call by hand, followed to its end.

use anyhow::{Context as _, ensure};
use sim::stack::Step;
use tests::cloud::in_the_cloud;
use tests::person;

#[test]
fn a_call_by_hand_is_a_real_one_and_is_followed_to_its_end() {
    in_the_cloud(async |cloud| {
        let somebody =
            person::who([Step::wait(300), person::talk(1000), Step::wait_for_voice(8000), Step::hang_up()]);
        let number = cloud.call_to(somebody).await?.number;
        let prompt = cloud.deployment.dir().join("prompt.txt");
        std::fs::write(&prompt, "Be kind.")?;
        let words = [
            "call",
            "--to",
            &number,
            "--prompt-file",
            prompt.to_str().context("a path")?,
            "--campaign",
            "by-hand",
        ];
        let called = cloud.ocg(&words).await?.ends_with(0)?;
        for told in ["sent: call ocg-", "dialing", "answered", "callee-hangup"] {
            ensure!(called.said.contains(told), "{told}: {}", called.said);
        }
        ensure!(!called.said.contains(&number), "the number is masked: {}", called.said);
        ensure!(cloud.stack.phone()?.calls_to(&number).await?.len() == 1);
        Ok(())
    });
}

#[test]
fn nobody_answers_is_an_answer_of_its_own() {
    in_the_cloud(async |cloud| {
        let number = cloud.call_to(person::busy()).await?.number;
        let words = ["call", "--to", &number, "--prompt", "Be kind.", "--json"];
        let called = cloud.ocg(&words).await?.ends_with(3)?.objects()?;
        let last = called.last().context("nothing")?;
        ensure!(last["outcome"]["reason"] == "busy", "{called:#?}");
        Ok(())
    });
}

#[test]
fn what_the_router_would_refuse_is_not_sent() {
    in_the_cloud(async |cloud| {
        let called =
            cloud.ocg(&["call", "--to", "+81312345678", "--prompt", "Be kind."]).await?.ends_with(3)?;
        ensure!(called.said.contains("nothing was sent: no_profile_for_prefix"), "{}", called.said);
        cloud.ocg(&["call", "--to", "+5511987654321"]).await?.ends_with(2)?;
        Ok(())
    });
}

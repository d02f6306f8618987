//! A task that has read its job and cannot begin.

use anyhow::{Context as _, ensure};
use calls::outcome::OutcomeKind;
use tests::story;

const SECRET: &str = "LIVEKIT_API_SECRET_BR";

#[test]
fn without_its_secret_it_says_so_in_the_call_folder() {
    story(async |scene| {
        // An empty value counts as not set.
        let call = scene.arrange().env(SECRET, "").place().await?;
        let folders = call.folders().clone();
        let ended = call.ends().await?;
        ensure!(ended.exit_codes == [Some(2)], "{:?}: {:?}", ended.exit_codes, ended.logs);
        ensure!(ended.logs[0].contains(SECRET), "{:?}", ended.logs);
        ensure!(ended.phone.is_empty() && ended.create_statuses.is_empty());
        // Nobody else uses the permission to ring; a new attempt may be made.
        let claim = folders.dial_claim(&ended.attempt).await?.context("nobody has taken the claim")?;
        ensure!(claim.failed_before_dial.as_ref().is_some_and(|why| why.contains(SECRET)), "{claim:#?}");
        let outcome = ended.outcome()?;
        ensure!(outcome.outcome == OutcomeKind::Failed && outcome.retryable, "{outcome:#?}");
        ensure!(outcome.reason.as_deref() == Some("bridge-error"), "{outcome:#?}");
        Ok(())
    });
}

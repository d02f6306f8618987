//! A task that has read its job and cannot begin, or may not.

use anyhow::{Context as _, ensure};
use calls::fact::Fact;
use calls::outcome::OutcomeKind;
use jiff::Timestamp;
use jiff::tz::TimeZone;
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

#[test]
fn outside_the_call_hours_nothing_is_begun_and_nothing_has_failed() {
    story(async |scene| {
        // Some other day, an hour long.
        let day = Timestamp::now().to_zoned(TimeZone::UTC).weekday().wrapping_add(3);
        let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
        let day = days[usize::try_from(day.to_monday_zero_offset())?];
        let arranged = scene.arrange().profile("/callHours", vec![format!("{day} 10:00-11:00")]);
        let call = arranged.profile("/timeZone", "UTC").place().await?;
        let folders = call.folders().clone();
        let ended = call.ends().await?;
        ensure!(ended.exit_codes == [Some(0)], "{:?}: {:?}", ended.exit_codes, ended.logs);
        ensure!(ended.phone.is_empty() && ended.create_statuses.is_empty(), "{:#?}", ended.phone);
        ensure!(!ended.has_fact(|fact| matches!(fact, Fact::RoomJoined { .. })), "it joined a room");
        let claim = folders.dial_claim(&ended.attempt).await?.context("nobody has taken the claim")?;
        ensure!(claim.failed_before_dial.is_some(), "it permits a dial: {claim:#?}");
        let outcome = ended.outcome()?;
        ensure!(outcome.outcome == OutcomeKind::Deferred && !outcome.retryable, "{outcome:#?}");
        ensure!(outcome.reason.is_none() && outcome.detail.is_some(), "{outcome:#?}");
        Ok(())
    });
}

//! `ocg dlq redrive`

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use calls::ids::CallKey;
use calls::profile::Profiles;
use clap::Args;
use cloud::queue::dead_letter;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Mutex;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::fate::{self, Fate};
use super::filter::Which;
use super::held::Held;
use super::letter::{Letter, NOTHING, printable};
use super::{Desk, held, letters};
use crate::failure::Answer;
use crate::output::{GREEN, YELLOW, styled};

/// Letters that are looked at at once.
const ABREAST: usize = 8;

/// Sends dead letters back to the queue of calls, as the same calls.
#[derive(Args, Debug)]
#[command(
    after_help = "Example:\n  ocg dlq redrive --code no_profile_for_prefix --country CL --rate 2 --dry-run\n\n\
    Exit code 3: no letter went back."
)]
pub struct Redrive {
    #[command(flatten)]
    pub(super) which: Which,
    /// So many a second at most.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,
    /// Also what the router will only refuse once more.
    #[arg(long)]
    even_if_refused: bool,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// What was done about one letter.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Done {
    id: String,
    call_id: Option<String>,
    key: CallKey,
    result: Fared,
    /// The attempt that the router will make.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    /// Why it was skipped, or will come back.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// The queue's id of the message that it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Fared {
    Redriven,
    WouldBeRedriven,
    Skipped,
}

pub(super) async fn run(asked: &Redrive, desk: &Desk<'_>) -> anyhow::Result<Answer> {
    let profiles = desk.profiles().await?;
    let act = async |held: &mut Held| {
        let with_others = held.with_others;
        let meant = asked.which.ids_of(held.letters(), Some(&profiles), Timestamp::now())?;
        held.keep(|letter| meant.contains(letter.id())).await?;
        if meant.is_empty() {
            desk.output.remark("there is no such letter");
            desk.remark_others(with_others);
            return Ok(Answer::No);
        }
        let every = Duration::from_secs(1) / asked.rate;
        let mut pace = interval(every);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let redriving = Redriving {
            desk,
            held,
            profiles: profiles.clone(),
            pace: Mutex::new(pace),
            stop: AtomicBool::new(false),
            even_if_refused: asked.even_if_refused,
            dry_run: asked.dry_run,
        };
        let answer = redriving.all().await;
        desk.remark_others(with_others);
        answer
    };
    held::with_all(&desk.dead_letters, &desk.interrupt, desk.output, act).await
}

struct Redriving<'a> {
    desk: &'a Desk<'a>,
    held: &'a Held,
    profiles: Arc<Profiles>,
    pace: Mutex<Interval>,
    /// Something failed: what is not begun is not begun any more.
    stop: AtomicBool,
    even_if_refused: bool,
    dry_run: bool,
}

impl Redriving<'_> {
    async fn all(&self) -> anyhow::Result<Answer> {
        let total = self.held.letters().len();
        let mut all =
            stream::iter(self.held.letters()).map(|letter| self.one(letter)).buffer_unordered(ABREAST);
        let (mut gone, mut skipped, mut problem) = (0, 0, None);
        while let Some(done) = all.next().await {
            match done {
                Ok(Some(done)) => {
                    match done.result {
                        Fared::Skipped => skipped += 1,
                        Fared::Redriven | Fared::WouldBeRedriven => gone += 1,
                    }
                    self.tell(&done)?;
                }
                Ok(None) => {}
                Err(failed) => {
                    self.stop.store(true, Ordering::Relaxed);
                    problem.get_or_insert(failed);
                }
            }
        }
        let verb = if self.dry_run { "would go back" } else { "went back" };
        let left = match total - gone - skipped {
            0 => String::new(),
            left => format!(", {left} left as they were"),
        };
        self.desk.output.remark(format!("of {} {gone} {verb}, {skipped} skipped{left}", letters(total)));
        match problem {
            Some(problem) => Err(problem),
            None if self.desk.interrupt.happened() => Err(anyhow!("interrupted")),
            None => Ok(Answer::yes_if(gone > 0)),
        }
    }

    /// `None`: not begun.
    async fn one(&self, letter: &Letter) -> anyhow::Result<Option<Done>> {
        if !self.may_go_on().await {
            return Ok(None);
        }
        let key = letter.key();
        let done = |result, attempt, why, message_id| {
            let (id, call_id, key) = (letter.id().to_owned(), letter.call_id(), key.clone());
            Ok(Some(Done { id, call_id, key, result, attempt, why, message_id }))
        };
        let skipped = |why: String| done(Fared::Skipped, None, Some(why), None);
        let body = &letter.received.body;
        let standing = self.desk.folders.look(&key).await.with_context(|| named(letter))?;
        let named_attempt = letter.received.text("OcgAttempt");
        let (attempt, why) = match fate::of(&key, body, named_attempt, &standing, &self.profiles) {
            Fate::Attempt(attempt) => (Some(attempt.number), None),
            Fate::Refused(refusal) if self.even_if_refused => {
                (None, Some(format!("it will be refused again: {}", refusal.code)))
            }
            Fate::Refused(refusal) => {
                return skipped(format!("it would be refused again: {}: {}", refusal.code, refusal.detail));
            }
            Fate::Stays(why) => return skipped(why),
        };
        let attributes = match dead_letter::put_back(&letter.received, &key, body.len()) {
            Ok(attributes) => attributes,
            Err(no_room) => return skipped(no_room.to_string()),
        };
        if self.dry_run {
            return done(Fared::WouldBeRedriven, attempt, why, None);
        }
        if self.stop.load(Ordering::Relaxed) {
            return Ok(None);
        }
        if !self.held.is_ours(letter) {
            return skipped("it was held too long and may be somebody else's now".to_owned());
        }
        let sent = self.desk.trigger_calls.send(body, &attributes).await;
        let message_id = sent.with_context(|| format!("{} stays a dead letter", named(letter)))?;
        // From here to the deletion there are both. Whatever ends us between, the router knows the call again.
        self.held.delete(letter).await.with_context(|| {
            format!(
                "{} went back, but is a dead letter still; redriving it again calls nobody twice",
                named(letter)
            )
        })?;
        done(Fared::Redriven, attempt, why, Some(message_id))
    }

    /// Waits for this letter's turn.
    async fn may_go_on(&self) -> bool {
        let turn = async { self.pace.lock().await.tick().await };
        if !self.dry_run {
            tokio::select! {
                _ = turn => {}
                () = self.desk.interrupt.wait() => {}
            }
        }
        !self.desk.interrupt.happened() && !self.stop.load(Ordering::Relaxed)
    }

    fn tell(&self, done: &Done) -> anyhow::Result<()> {
        let output = self.desk.output;
        if output.json {
            return output.object(done);
        }
        let word = match done.result {
            Fared::Redriven => styled(GREEN, "went back"),
            Fared::WouldBeRedriven => styled(GREEN, "would go back"),
            Fared::Skipped => styled(YELLOW, "skipped"),
        };
        let call = printable(done.call_id.as_deref().unwrap_or(NOTHING));
        let attempt = done.attempt.map(|number| format!("attempt {number}"));
        let told =
            attempt.into_iter().chain(done.why.as_deref().map(printable)).collect::<Vec<_>>().join("; ");
        output.say(format!("{word} {} call {call}: {told}", done.id));
        Ok(())
    }
}

/// For sentences about it.
fn named(letter: &Letter) -> String {
    format!("letter {}", letter.id())
}

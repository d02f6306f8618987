//! What no event told of: attempts that are still open, rooms of attempts that have ended, places nobody holds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use calls::ids::AttemptId;
use calls::profile::CountryProfile;
use calls::settle::{Cause, Settled, task_of};
use cloud::call_folder::{AttemptStanding, Standing};
use futures_util::StreamExt as _;
use futures_util::stream;
use jiff::Timestamp;
use rand::seq::SliceRandom as _;
use rooms::{Livekit, Room, RoomMetadata};
use telemetry::metrics::{Metric, Sample};
use tokio::time::{Instant, timeout_at};

use crate::{ROOM_WITHIN, Settler};

/// So many attempts, or rooms, are looked at at once.
const AT_ONCE: usize = 16;
/// Attempts are taken up by so many; ECS is asked about as many tasks at once.
const BATCH: usize = 100;

/// What a sweep found and left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    /// Nobody knows how many are open: their marks could not be listed.
    pub is_blind: bool,
    /// Attempts that were open when it began.
    pub open: usize,
    /// Of these, settled now.
    pub settled: usize,
    /// Not ours to settle yet: calls that run, messages in the queue.
    pub waiting: usize,
    /// A person has to look.
    pub stuck: usize,
    /// Something did not work; the next sweep tries again.
    pub failed: usize,
    /// The time was over before they were looked at; the next sweep begins elsewhere.
    pub left_out: usize,
    /// Rooms of attempts that have ended.
    pub rooms_deleted: usize,
    /// Places of attempts that are not open any more.
    pub places_given_back: usize,
    /// Since the oldest attempt that is open still was last marked.
    pub oldest_open_seconds: u64,
    /// What did not work, a sentence each.
    pub problems: Vec<String>,
}

impl Swept {
    fn note(&mut self, settled: &Settled, open_for_seconds: u64) {
        match settled {
            Settled::Done(_) => {
                self.settled += 1;
                return;
            }
            Settled::NotYet | Settled::Again(_) => self.waiting += 1,
            Settled::Stuck(_) => self.stuck += 1,
            Settled::Retry(_) => self.failed += 1,
        }
        self.oldest_open_seconds = self.oldest_open_seconds.max(open_for_seconds);
    }

    fn leave_out(&mut self, batch: &[(AttemptId, Timestamp)]) {
        self.left_out += batch.len();
        let oldest = batch.iter().map(|(_, since)| open_for(*since)).max();
        self.oldest_open_seconds = self.oldest_open_seconds.max(oldest.unwrap_or(0));
    }

    /// In one line.
    fn detail(&self) -> String {
        let Self {
            open, settled, waiting, stuck, failed, left_out, rooms_deleted, places_given_back, ..
        } = self;
        format!(
            "{open} attempts were open: {settled} settled, {waiting} under way, {stuck} stuck, {failed} to be tried \
             again, {left_out} not looked at; {rooms_deleted} rooms deleted, {places_given_back} places given back; the \
             oldest is open for {} s",
            self.oldest_open_seconds
        )
    }
}

impl Settler {
    /// Looks at everything that is open, in no order, and settles what is ours; ends about when `within` is over.
    pub async fn sweep(&self, within: Duration) -> Swept {
        let begun = Instant::now();
        let deadline = begun + within;
        let mut swept = Swept::default();
        // Places first: who has one was marked open before, so who is not open by the second look has ended.
        let places = self.folders.places().await;
        match self.folders.open_marks().await {
            Ok(marks) => {
                let open: BTreeSet<AttemptId> = marks.iter().map(|(attempt, _)| attempt.clone()).collect();
                match places {
                    Ok(places) => self.give_places_back(places, &open, &mut swept).await,
                    Err(error) => swept.problems.push(error.to_string()),
                }
                // The rooms have their turn, however many attempts there are.
                self.settle_open(marks, begun + within * 3 / 4, &mut swept).await;
            }
            Err(error) => {
                swept.is_blind = true;
                swept.problems.push(error.to_string());
            }
        }
        self.sweep_rooms(deadline, &mut swept).await;
        self.report(&swept);
        swept
    }

    async fn settle_open(
        &self,
        mut marks: Vec<(AttemptId, Timestamp)>,
        deadline: Instant,
        swept: &mut Swept,
    ) {
        swept.open = marks.len();
        // What this one does not come to, another one will.
        marks.shuffle(&mut rand::rng());
        for batch in marks.chunks(BATCH) {
            if Instant::now() >= deadline {
                swept.leave_out(batch);
                continue;
            }
            let looking = batch.iter().cloned().map(|(attempt, since)| async move {
                let standing = self.folders.look_with(&attempt).await;
                (attempt, open_for(since), standing)
            });
            let looking = stream::iter(looking).buffer_unordered(AT_ONCE).collect::<Vec<_>>();
            let Ok(looked) = timeout_at(deadline, looking).await else {
                swept.leave_out(batch);
                continue;
            };
            let mut seen = Vec::with_capacity(looked.len());
            for (attempt, seconds, standing) in looked {
                match standing {
                    Ok(standing) => seen.push((attempt, seconds, standing)),
                    Err(error) => {
                        swept.problems.push(error.to_string());
                        swept.note(&Settled::Retry(error.to_string()), seconds);
                    }
                }
            }
            let stopped = self.stopped(&seen, swept).await;
            let settling = seen.into_iter().map(|(attempt, seconds, standing)| {
                let task = standing.attempt(attempt.number).and_then(awaited);
                let cause = Cause::found(task, &stopped);
                async move {
                    let settling = self.settle_as_seen(&attempt, cause, standing);
                    let too_late = |_| Settled::Retry("the sweep's time was over".to_owned());
                    (timeout_at(deadline, settling).await.unwrap_or_else(too_late), seconds)
                }
            });
            let settled: Vec<_> = stream::iter(settling).buffer_unordered(AT_ONCE).collect().await;
            settled.iter().for_each(|(settled, seconds)| swept.note(settled, *seconds));
        }
    }

    /// Which of the tasks that might still end these attempts are gone, and why.
    async fn stopped(
        &self,
        seen: &[(AttemptId, u64, Standing)],
        swept: &mut Swept,
    ) -> BTreeMap<String, String> {
        let Some(tasks) = &self.tasks else { return BTreeMap::new() };
        let named: BTreeSet<&str> = seen
            .iter()
            .filter_map(|(attempt, _, standing)| awaited(standing.attempt(attempt.number)?))
            .collect();
        if named.is_empty() {
            return BTreeMap::new();
        }
        tasks.stopped(named).await.unwrap_or_else(|detail| {
            // Deadlines decide then.
            swept.problems.push(detail);
            BTreeMap::new()
        })
    }

    async fn give_places_back(
        &self,
        places: Vec<(String, AttemptId)>,
        open: &BTreeSet<AttemptId>,
        swept: &mut Swept,
    ) {
        for (country, attempt) in places.into_iter().filter(|(_, attempt)| !open.contains(attempt)) {
            match self.folders.leave_place(&attempt, &country).await {
                Ok(()) => swept.places_given_back += 1,
                Err(error) => swept.problems.push(error.to_string()),
            }
        }
    }

    /// Every LiveKit project that a country uses, once.
    async fn sweep_rooms(&self, deadline: Instant, swept: &mut Swept) {
        let known = match self.profiles.get(false).await {
            Ok(known) => known,
            Err(detail) => return swept.problems.push(detail),
        };
        let mut done: BTreeSet<&str> = BTreeSet::new();
        for profile in known.profiles.usable() {
            let url = profile.livekit.url.as_str();
            if done.contains(url) {
                continue;
            }
            match timeout_at(deadline, self.sweep_rooms_of(profile)).await {
                Ok(Ok(deleted)) => {
                    done.insert(url);
                    swept.rooms_deleted += deleted;
                }
                Ok(Err(detail)) => swept.problems.push(format!("rooms of {}: {detail}", profile.country)),
                Err(_) => return,
            }
        }
    }

    async fn sweep_rooms_of(&self, profile: &CountryProfile) -> Result<usize, String> {
        let keys = self.credentials.of(&profile.country).await?;
        let livekit = Livekit::new(&profile.livekit.url, &keys.livekit_api_key, &keys.livekit_api_secret)
            .map_err(|error| error.to_string())?;
        let rooms = livekit.list_rooms().await.map_err(|error| error.to_string())?;
        let of_ours = rooms.into_iter().filter_map(|room| Some((self.whose(&room)?, room.name)));
        let livekit = &livekit;
        let deleted: Vec<bool> = stream::iter(of_ours)
            .map(|(attempt, room)| async move { self.delete_if_over(livekit, &attempt, &room).await })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        Ok(deleted.into_iter().filter(|deleted| *deleted).count())
    }

    /// The attempt whose room it is; `None`: somebody else's, not touched.
    fn whose(&self, room: &Room) -> Option<AttemptId> {
        RoomMetadata::read(&room.metadata).filter(|metadata| metadata.stage == self.stage)?.attempt()
    }

    /// The room of an attempt that has ended is of no use to anybody; of one that has not, somebody may be in it.
    async fn delete_if_over(&self, livekit: &Livekit, attempt: &AttemptId, room: &str) -> bool {
        match self.folders.outcome(attempt).await {
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(error) => {
                tracing::warn!(%attempt, detail = %error, "a room is left for the next sweep");
                return false;
            }
        }
        match livekit.delete_room(room, ROOM_WITHIN).await {
            Ok(()) => {
                tracing::warn!(%attempt, detail = room, "a room was left over; deleted");
                true
            }
            Err(error) => {
                tracing::warn!(%attempt, detail = %error, "a room that was left over is not deleted");
                false
            }
        }
    }

    fn report(&self, swept: &Swept) {
        tracing::info!(detail = swept.detail(), "swept");
        for detail in &swept.problems {
            tracing::warn!(detail, "the sweep is not whole");
        }
        self.meters.take(Timestamp::now(), None, &measured(swept));
    }
}

/// Of a blind sweep nobody knows what is open, and no number says that all is well.
fn measured(swept: &Swept) -> Vec<Sample> {
    let mut samples = vec![Sample::of(Metric::SweepProblems, (swept.failed + swept.problems.len()) as f64)];
    if !swept.is_blind {
        samples.extend([
            Sample::of(Metric::OpenAttempts, (swept.open - swept.settled) as f64),
            Sample::of(Metric::StuckAttempts, swept.stuck as f64),
            Sample::of(Metric::OldestOpenSeconds, swept.oldest_open_seconds as f64),
        ]);
    }
    samples
}

fn open_for(since: Timestamp) -> u64 {
    u64::try_from(Timestamp::now().duration_since(since).as_secs()).unwrap_or(0)
}

/// Who would have to say how the attempt ended.
fn awaited(seen: &AttemptStanding) -> Option<&str> {
    let dial = seen.dial.as_ref().map(|dial| (dial.task.as_str(), dial.decision.is_some()));
    task_of(seen.outcome.is_some(), dial, seen.launched.as_ref().map(|launched| launched.task.as_str()))
}

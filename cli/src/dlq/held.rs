//! The letters in our hands: nobody else receives them until they are given back or deleted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use cloud::queue::Queue;
use futures_util::{StreamExt as _, stream};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use super::interrupt::Interrupt;
use super::letter::Letter;
use crate::output::Output;

/// So long letters stay hidden if we vanish without a word.
const HIDDEN: Duration = Duration::from_secs(60);
/// So often that is renewed.
const RENEWED_EVERY: Duration = Duration::from_secs(20);
/// Too little is left of the time to begin anything with a letter.
const TOO_LITTLE: Duration = Duration::from_secs(5);
/// SQS asks all of its machines only when it is waited for (guide, "Short and long polling").
const WAIT: Duration = Duration::from_secs(1);
/// What one terminal holds at once: as many as can be renewed in time, and as much as fits into memory.
const MOST: usize = 5_000;
const MOST_BYTES: usize = 256 << 20;
/// Requests at once.
const ABREAST: usize = 32;
/// Giving back is a courtesy: time does it, too.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(10);

/// By message id: the receipt handle, and until when nobody else gets it.
type Holds = HashMap<String, (String, Instant)>;

/// Letters that we have received. [`give_back`](Self::give_back) ends it.
#[derive(Debug)]
pub struct Held {
    queue: Queue,
    letters: Vec<Letter>,
    holds: Arc<Mutex<Holds>>,
    renewing: JoinHandle<()>,
    /// How many somebody else had in hand when we began; approximate.
    pub with_others: u64,
    /// There are more than one terminal holds at once.
    pub are_more: bool,
}

/// Receives all letters, has something done with them, and gives back what is left of them, whatever came of it.
///
/// # Errors
/// When the queue does not answer, somebody interrupts, or `act` fails.
pub async fn with_all<T>(
    queue: &Queue,
    interrupt: &Interrupt,
    output: &Output,
    act: impl AsyncFnOnce(&mut Held) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut held = Held::nothing(queue).await?;
    let done = match held.receive_all(interrupt).await {
        Ok(()) => {
            if held.are_more {
                output.remark(format!(
                    "there are more letters than one terminal holds; these are {}",
                    held.letters.len()
                ));
            }
            act(&mut held).await
        }
        Err(problem) => Err(problem),
    };
    if let Err(problem) = held.give_back().await {
        output.remark(format!("not all letters were given back: {problem:#}"));
    }
    done
}

impl Held {
    async fn nothing(queue: &Queue) -> anyhow::Result<Self> {
        let depth = queue.depth().await.map_err(|detail| anyhow!(detail)).context("the dead letters")?;
        let holds = Arc::new(Mutex::default());
        let renewing = tokio::spawn(renew(queue.clone(), holds.clone()));
        Ok(Self {
            queue: queue.clone(),
            letters: Vec::new(),
            holds,
            renewing,
            with_others: depth.in_flight,
            are_more: false,
        })
    }

    async fn receive_all(&mut self, interrupt: &Interrupt) -> anyhow::Result<()> {
        let mut bytes = 0;
        loop {
            if interrupt.happened() {
                bail!("interrupted while the letters were read");
            }
            let until = Instant::now() + HIDDEN;
            let received = self.queue.receive(10, WAIT, HIDDEN).await;
            let received =
                received.map_err(|detail| anyhow!(detail)).context("cannot read the dead letters")?;
            if received.is_empty() {
                break;
            }
            for received in received {
                bytes += received.body.len();
                let hold = (received.receipt_handle.clone(), until);
                // A standard queue may deliver twice; the newest handle is the one that counts.
                if lock(&self.holds).insert(received.message_id.clone(), hold).is_none() {
                    self.letters.push(Letter { received });
                }
            }
            if self.letters.len() >= MOST || bytes >= MOST_BYTES {
                self.are_more = true;
                break;
            }
        }
        self.letters.sort_by_key(Letter::at);
        Ok(())
    }

    /// All that we hold, the oldest first.
    pub fn letters(&self) -> &[Letter] {
        &self.letters
    }

    /// Do we still hold it, and long enough to do something?
    pub fn is_ours(&self, letter: &Letter) -> bool {
        let holds = lock(&self.holds);
        holds.get(letter.id()).is_some_and(|(_, until)| Instant::now() + TOO_LITTLE < *until)
    }

    /// Deletes a letter: it is gone.
    ///
    /// # Errors
    /// When the queue does not acknowledge it; the letter may or may not be there then.
    pub async fn delete(&self, letter: &Letter) -> anyhow::Result<()> {
        let hold = lock(&self.holds).get(letter.id()).cloned();
        let (handle, _) = hold.context("the letter is not ours any more")?;
        self.queue.delete(&handle).await.map_err(|detail| anyhow!(detail))?;
        lock(&self.holds).remove(letter.id());
        Ok(())
    }

    /// Gives back all but those that are wanted.
    ///
    /// # Errors
    /// When the queue does not take them: they are there again after a minute at most.
    pub async fn keep(&mut self, is_wanted: impl Fn(&Letter) -> bool) -> anyhow::Result<()> {
        let (kept, rest) = std::mem::take(&mut self.letters).into_iter().partition(is_wanted);
        self.letters = kept;
        self.give_back_those(rest).await
    }

    async fn give_back(mut self) -> anyhow::Result<()> {
        self.renewing.abort();
        let letters = std::mem::take(&mut self.letters);
        self.give_back_those(letters).await
    }

    async fn give_back_those(&self, letters: Vec<Letter>) -> anyhow::Result<()> {
        let handles: Vec<String> = {
            let mut holds = lock(&self.holds);
            letters.iter().filter_map(|letter| holds.remove(letter.id())).map(|(handle, _)| handle).collect()
        };
        let giving =
            stream::iter(handles).map(async |handle| self.queue.put_off(&handle, Duration::ZERO).await);
        let giving = giving.buffer_unordered(ABREAST).filter_map(async |given| given.err()).count();
        match timeout(GIVEN_BACK_WITHIN, giving).await {
            Ok(0) => Ok(()),
            Ok(failed) => bail!("{failed} of {} stay hidden for a minute", letters.len()),
            Err(_) => bail!("the queue does not answer; they stay hidden for a minute"),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.renewing.abort();
    }
}

/// Holds on to what is held, for as long as it is.
async fn renew(queue: Queue, holds: Arc<Mutex<Holds>>) {
    loop {
        tokio::time::sleep(RENEWED_EVERY).await;
        let held: Vec<(String, String)> =
            lock(&holds).iter().map(|(id, (handle, _))| (id.clone(), handle.clone())).collect();
        let renewing = stream::iter(held).map(async |(id, handle)| {
            // Given back or deleted since: hiding it now would hide it from others.
            if !lock(&holds).contains_key(&id) {
                return;
            }
            let until = Instant::now() + HIDDEN;
            // What cannot be renewed runs out; nothing is begun with it then.
            if queue.put_off(&handle, HIDDEN).await.is_ok()
                && let Some(hold) = lock(&holds).get_mut(&id)
            {
                hold.1 = until;
            }
        });
        renewing.buffer_unordered(ABREAST).collect::<()>().await;
    }
}

fn lock(holds: &Mutex<Holds>) -> MutexGuard<'_, Holds> {
    holds.lock().unwrap_or_else(PoisonError::into_inner)
}

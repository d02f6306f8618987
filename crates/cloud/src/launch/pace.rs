//! Not faster than so many a second.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

/// A token bucket that holds one token: turns come one after the other, never two at once.
#[derive(Debug)]
pub struct Pace {
    interval: Duration,
    longest_wait: Duration,
    next: Mutex<Option<Instant>>,
}

impl Pace {
    /// At most `per_second` turns in any second. Who would have to wait longer than `longest_wait` gets none.
    pub fn new(per_second: f64, longest_wait: Duration) -> Self {
        // A little more, so that no second has both of its ends.
        let interval = Duration::from_secs_f64(1.001 / per_second.max(0.001));
        Self { interval, longest_wait, next: Mutex::new(None) }
    }

    /// Waits for a turn; `false` at once if it would take too long.
    pub async fn turn(&self) -> bool {
        let now = Instant::now();
        let at = {
            let mut next = self.next.lock().await;
            let at = next.unwrap_or(now).max(now);
            if at - now > self.longest_wait {
                return false;
            }
            *next = Some(at + self.interval);
            at
        };
        tokio::time::sleep_until(at).await;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn no_second_sees_more_turns_than_are_allowed() {
        let pace = Arc::new(Pace::new(5.0, Duration::from_secs(600)));
        let turns = (0..100).map(|_| {
            let pace = pace.clone();
            tokio::spawn(async move {
                assert!(pace.turn().await);
                Instant::now()
            })
        });
        let mut at = Vec::new();
        for turn in turns.collect::<Vec<_>>() {
            at.push(turn.await.expect("no panic"));
        }
        at.sort();
        let most = at
            .iter()
            .map(|start| at.iter().filter(|t| (*start..*start + Duration::from_secs(1)).contains(t)).count());
        assert_eq!(most.max(), Some(5));
        assert!(at[99] - at[0] < Duration::from_secs(21), "and it does not dawdle");
    }

    #[tokio::test(start_paused = true)]
    async fn who_would_wait_too_long_is_sent_away_and_takes_no_turn() {
        let pace = Pace::new(1.0, Duration::from_secs(2));
        let start = Instant::now();
        let (a, b, c, d) = tokio::join!(pace.turn(), pace.turn(), pace.turn(), pace.turn());
        assert_eq!([a, b, c, d].iter().filter(|turn| **turn).count(), 2);
        assert!(start.elapsed() < Duration::from_secs(2));
    }
}

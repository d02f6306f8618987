//! When a message that could not be carried through comes again.

use std::time::Duration;

/// After its first delivery it comes again after this.
const SOONEST: Duration = Duration::from_secs(5);
/// However often it was tried.
const LATEST: Duration = Duration::from_secs(15 * 60);

/// 5, 10, 20 … seconds, 15 minutes at most: twenty deliveries last over three hours.
pub fn try_again_after(receive_count: u32) -> Duration {
    let doubled = 1u32.checked_shl(receive_count.saturating_sub(1)).unwrap_or(u32::MAX);
    SOONEST.saturating_mul(doubled).min(LATEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_comes_again_ever_more_seldom_and_outlasts_hours_of_trouble() {
        let seconds: Vec<u64> = (1..=20).map(|nth| try_again_after(nth).as_secs()).collect();
        assert_eq!(seconds[..9], [5, 10, 20, 40, 80, 160, 320, 640, 900]);
        assert!(seconds[8..].iter().all(|wait| *wait == 900));
        assert!(seconds.iter().sum::<u64>() > 3 * 60 * 60);
        assert_eq!(try_again_after(u32::MAX).as_secs(), 900);
    }
}

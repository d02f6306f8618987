//! How much later the same marks are in one place than in another.

/// Further apart no two times of one mark are, in ms.
const MOST_MS: f64 = 1500.0;
/// How wide the piece of the search is in which most delays must lie, in ms.
const STEP_MS: f64 = 60.0;
/// A mark's delay differs from most by less than this, in ms; marks are farther apart than twice that.
const AROUND_MS: f64 = 50.0;

/// For each mark that both sides have, in order: when it went, and by how much later it came, all in ms.
///
/// Marks may be lost on the way, so they are not matched by their numbers: the delay that most pairs have is looked
/// for, and then for each mark its nearest partner around that. Distances between marks must differ.
pub fn pairs(went_ms: &[f64], came_ms: &[f64]) -> Vec<(f64, f64)> {
    let Some(usual_ms) = usual(went_ms, came_ms) else { return Vec::new() };
    let pair = |went: &f64| {
        let off = |came: &&f64| (*came - went - usual_ms).abs();
        let nearest = came_ms.iter().min_by(|a, b| off(a).total_cmp(&off(b)))?;
        (off(&nearest) < AROUND_MS).then_some((*went, nearest - went))
    };
    went_ms.iter().filter_map(pair).collect()
}

/// The middle of the [`STEP_MS`] in which most differences between the two lie.
fn usual(went_ms: &[f64], came_ms: &[f64]) -> Option<f64> {
    let all = went_ms.iter().flat_map(|went| came_ms.iter().map(move |came| came - went));
    // Clocks are read in two processes: nothing is 10 ms too early.
    let mut all: Vec<f64> = all.filter(|ms| (-10.0..MOST_MS).contains(ms)).collect();
    all.sort_by(f64::total_cmp);
    let within = |from: usize| all.partition_point(|ms| *ms < all[from] + STEP_MS) - from;
    // Of equals the first: the shorter delay.
    let best = (0..all.len()).rev().max_by_key(|from| within(*from))?;
    Some(all[best + within(best) / 2])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Times with distances of 150 to 250 ms, none like another.
    fn went() -> Vec<f64> {
        (0..60u32).map(|nth| f64::from(nth) * 200.0 + f64::from(nth * nth * 37 % 100) - 50.0).collect()
    }

    #[test]
    fn each_mark_has_its_own_delay_though_some_were_lost_and_some_came_from_nowhere() {
        for base_ms in [0.2, 7.5, 150.0, 420.0] {
            let mut came: Vec<f64> =
                went().iter().enumerate().map(|(nth, at)| at + base_ms + (nth % 7) as f64 * 3.0).collect();
            for nth in [50, 31, 30, 3, 0] {
                came.remove(nth);
            }
            came.insert(10, came[10] - 90.0);
            let pairs = pairs(&went(), &came);
            assert_eq!(pairs.len(), 55, "{base_ms}");
            for (at, delay_ms) in pairs {
                let nth = went().iter().position(|went| *went == at).expect("it is one of them");
                let right_ms = base_ms + (nth % 7) as f64 * 3.0;
                assert!((delay_ms - right_ms).abs() < 1e-6, "mark {nth}: {delay_ms}, not {right_ms}");
            }
        }
        assert!(pairs(&went(), &[]).is_empty() && pairs(&[], &[1.0]).is_empty());
    }
}

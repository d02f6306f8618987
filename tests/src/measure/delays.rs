//! How much later the same marks are in one place than in another.

/// Further apart no two times of one mark are, in ms.
const MOST_MS: f64 = 1500.0;
/// How wide the piece of the search is in which most delays must lie, in ms. Each mark's distance to the one after the
/// next partner is a "delay" too, and these spread as far as the [distances](MOST_APART_MS) do: a piece as wide as that
/// would hold as many of them as of the right ones.
const STEP_MS: f64 = 30.0;
/// A mark's delay differs from most by less than this, in ms, or it did not come.
const AROUND_MS: f64 = 50.0;

/// How far apart marks have to be, in ms: more than twice [`AROUND_MS`], and each by another distance out of a range
/// several times as wide as [`STEP_MS`].
pub const LEAST_APART_MS: u64 = 110;
/// See [`LEAST_APART_MS`].
pub const MOST_APART_MS: u64 = 250;

/// For each mark that both sides have, in order: when it went, and by how much later it came, all in ms.
///
/// Marks may be lost on the way, so they are not matched by their numbers: the delay that most pairs have is looked
/// for, and then for each mark its nearest partner around that.
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
    use audio::SampleRate;
    use sim::mark::mark;

    use super::*;
    use crate::measure::spread::at_most;
    use crate::measure::timed::at_line_rate;
    use crate::measure::{RATE, marks};

    /// Times with distances of [`LEAST_APART_MS`] to [`MOST_APART_MS`].
    fn went() -> Vec<f64> {
        apart_by_up_to(MOST_APART_MS)
    }

    fn apart_by_up_to(most_ms: u64) -> Vec<f64> {
        let range = most_ms - LEAST_APART_MS;
        let apart = |nth: u64| (LEAST_APART_MS + nth * nth * 37 % range) as f64;
        (0..75).scan(0.0, |at, nth| Some(std::mem::replace(at, *at + apart(nth)))).collect()
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
            assert_eq!(pairs.len(), 70, "{base_ms}");
            for (at, delay_ms) in pairs {
                let nth = went().iter().position(|went| *went == at).expect("it is one of them");
                let right_ms = base_ms + (nth % 7) as f64 * 3.0;
                assert!((delay_ms - right_ms).abs() < 1e-6, "mark {nth}: {delay_ms}, not {right_ms}");
            }
        }
        assert!(pairs(&went(), &[]).is_empty() && pairs(&[], &[1.0]).is_empty());
    }

    /// The sound at both ends of something that takes 3 ms, with marks at these times (ms) at the one end and all but
    /// the first few of those that are looked at at the other; returns the median delay of the rest.
    fn of_sound_that_is_3_ms_late(rate: SampleRate, marks_ms: &[f64]) -> f64 {
        let samples_per_ms = f64::from(rate.hz()) / 1000.0;
        let sound = |marks_ms: &[f64]| {
            let length_ms = marks_ms.last().map_or(0.0, |last| last + 200.0);
            let mut pcm = vec![0; (length_ms * samples_per_ms) as usize];
            for at_ms in marks_ms {
                let mark = mark(rate);
                pcm[(at_ms * samples_per_ms) as usize..][..mark.len()].copy_from_slice(&mark);
            }
            let found = marks::find(&at_line_rate(rate, &pcm)).into_iter();
            found.map(|nth| nth as f64 * 1000.0 / f64::from(RATE.hz())).collect::<Vec<_>>()
        };
        let came_ms = marks_ms.iter().filter(|at| !(1000.0..1400.0).contains(*at)).map(|at| at + 3.0);
        let (mut went_ms, came_ms) = (sound(marks_ms), sound(&came_ms.collect::<Vec<_>>()));
        // As in a call: what is said before and after the time that is looked at is heard too.
        went_ms.retain(|at| (1000.0..8000.0).contains(at));
        let delays: Vec<f64> = pairs(&went_ms, &came_ms).into_iter().map(|(_, delay_ms)| delay_ms).collect();
        assert!(delays.len() + 4 >= went_ms.len(), "{} of {}", delays.len(), went_ms.len());
        at_most(&delays, 0.5).expect("some came")
    }

    #[test]
    fn a_mark_that_is_not_found_does_not_give_its_neighbours_to_the_others() {
        for rate in [SampleRate::Hz8000, SampleRate::Hz16000, SampleRate::Hz24000, SampleRate::Hz48000] {
            let median_ms = of_sound_that_is_3_ms_late(rate, &went());
            assert!((median_ms - 3.0).abs() < 0.2, "{rate}: {median_ms} ms");
        }
        // Distances of 110 to 170 ms once were all within the piece of the search: a median of some 140 ms came of this.
        let median_ms = of_sound_that_is_3_ms_late(SampleRate::Hz8000, &apart_by_up_to(170));
        assert!((median_ms - 3.0).abs() < 0.2, "{median_ms} ms");
    }
}

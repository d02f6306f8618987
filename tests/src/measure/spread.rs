//! Percentiles.

/// Of these values, the least that at least `share` of them do not exceed; `None` of no values.
///
/// The nearest rank: an element of `values`, never one in between, so that 1 of 100 beyond a limit is seen.
pub fn at_most(values: &[f64], share: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() as f64 * share).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_values() {
        let values: Vec<f64> = (1..=200).rev().map(f64::from).collect();
        let of = |share| at_most(&values, share);
        assert_eq!((of(0.5), of(0.99), of(1.0)), (Some(100.0), Some(198.0), Some(200.0)));
        assert_eq!((of(0.0), at_most(&[7.0], 0.99), at_most(&[], 0.5)), (Some(1.0), Some(7.0), None));
    }
}

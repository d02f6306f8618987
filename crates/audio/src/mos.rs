//! How a listener would rate a call's sound, from what is measured of its line: an estimate, not a verdict.
//!
//! ITU-T G.107 (the E-model), with everything at its default that a call over IP does not measure. What is left of it:
//!
//! ```text
//! R   = 93.2 − Id − Ie,eff
//! Id     = 0.024 d + 0.11 (d − 177.3) where d > 177.3 ms, else 0.024 d     d: mouth to ear, one way, ms
//! Ie,eff = Ie + (95 − Ie) · Ppl / (Ppl + Bpl)                              Ppl: loss in percent, at random
//! MOS = 1 + 0.035 R + 7·10⁻⁶ R (R − 60) (100 − R)
//! ```
//!
//! - 93.2: R with all defaults (G.107, Table 3 and §7.7);
//! - Id: Cole and Rosenbluth, *Voice over IP performance monitoring*, ACM SIGCOMM Computer Communication Review 31(2),
//!   2001, eq. 4: their fit of G.107's Idte + Idle + Idd for a line without audible echo;
//! - Ie,eff: G.107 eq. 7-29 with BurstR = 1;
//! - MOS from R: G.107 Annex B.
//!
//! The scale is the narrowband one, on which nothing is better than 4.4: at the other end there is a telephone.
//!
//! **Opus** has no row in ITU-T G.113, which lists Ie and Bpl by codec. Taken here: [`OPUS_IE`] = 0, that of G.711
//! (G.113 Table I.1), since Opus at the rates of a room changes nothing that G.711 of the telephone's leg has left; and
//! [`OPUS_BPL`] = 10, what WebRTC's estimators take for Opus without FEC (rtcscore). FEC is credited where it is
//! measured: a frame that was rebuilt was not lost. Ratings with Opus' own factors exist on other scales (Alahmadi,
//! Počta and Melvin, ACM TOMM 17(4), 2021, on G.107.2's) and do not fit this one.

/// R of a line with nothing wrong.
pub const BEST_R: f64 = 93.2;

/// What coding takes away without any loss.
pub const OPUS_IE: f64 = 0.0;

/// How well a lost frame is concealed: the loss in percent that costs half of what there is to lose.
pub const OPUS_BPL: f64 = 10.0;

/// What is assumed of the way that we cannot measure, mouth to our room client, one way: 20 ms of a packet, 60 ms that
/// LiveKit's SIP node holds back, 20 ms of the telephone network.
pub const UNSEEN_DELAY_MS: f64 = 100.0;

/// The transmission rating of a line that loses `loss_percent` of its frames for good and takes `one_way_ms` from mouth
/// to ear. Not below 0.
pub fn rating(loss_percent: f64, one_way_ms: f64) -> f64 {
    let loss = loss_percent.clamp(0.0, 100.0);
    let delay = one_way_ms.max(0.0);
    let delayed = 0.024 * delay + 0.11 * (delay - 177.3).max(0.0);
    let torn = OPUS_IE + (95.0 - OPUS_IE) * loss / (loss + OPUS_BPL);
    (BEST_R - delayed - torn).max(0.0)
}

/// The mean opinion score, 1 to 4.5, that belongs to a rating.
pub fn score_of(rating: f64) -> f64 {
    let r = rating.clamp(0.0, 100.0);
    // The cubic dips below 1 for R under 6.5, and no listener can say less than "bad".
    (1.0 + 0.035 * r + 7e-6 * r * (r - 60.0) * (100.0 - r)).max(1.0)
}

/// The estimate for one direction: see [`rating`]. `round_trip_ms`: between us and the room's server, if it was
/// measured; half of it is added to [`UNSEEN_DELAY_MS`].
pub fn estimate(loss_percent: f64, round_trip_ms: Option<f64>) -> f64 {
    score_of(rating(loss_percent, UNSEEN_DELAY_MS + round_trip_ms.unwrap_or(0.0) / 2.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn is_about(value: f64, wanted: f64, within: f64) {
        assert!((value - wanted).abs() <= within, "{value} is not about {wanted}");
    }

    #[test]
    fn ratings_become_the_scores_that_g_107_prints() {
        // Annex B, Table B.1 (R 90 to 50), and the R and MOS of a line with all defaults.
        let table = [(93.2, 4.41), (90.0, 4.34), (80.0, 4.03), (70.0, 3.60), (60.0, 3.10), (50.0, 2.58)];
        for (rating, score) in table {
            is_about(score_of(rating), score, 0.0065);
        }
        assert_eq!((score_of(-3.0), score_of(0.0), score_of(3.0)), (1.0, 1.0, 1.0));
        is_about(score_of(140.0), 4.5, 1e-9);
    }

    #[test]
    fn delay_costs_what_cole_and_rosenbluth_say() {
        for (delay, cost) in [(0.0, 0.0), (100.0, 2.4), (177.3, 4.2552), (200.0, 7.297), (400.0, 34.097)] {
            is_about(BEST_R - rating(0.0, delay), cost, 1e-9);
        }
    }

    #[test]
    fn loss_costs_half_of_what_there_is_to_lose_where_it_is_bpl() {
        is_about(BEST_R - rating(OPUS_BPL, 0.0), 95.0 / 2.0, 1e-9);
        is_about(BEST_R - rating(1.0, 0.0), 95.0 / 11.0, 1e-9);
        assert_eq!(rating(100.0, 1000.0), 0.0);
        assert_eq!(rating(-1.0, -5.0), BEST_R, "nonsense is nothing wrong");
    }

    #[test]
    fn an_ordinary_call_is_good_and_a_torn_one_is_not() {
        is_about(estimate(0.0, None), 4.36, 0.01);
        is_about(estimate(0.0, Some(60.0)), 4.34, 0.01);
        assert!(estimate(3.0, None) < 3.7 && estimate(10.0, None) < 2.5);
    }

    #[test]
    fn nothing_that_gets_worse_is_rated_better() {
        let by_loss: Vec<f64> = (0..100).map(|loss| estimate(f64::from(loss), None)).collect();
        let by_delay: Vec<f64> = (0..100).map(|ms| estimate(0.0, Some(f64::from(ms) * 20.0))).collect();
        assert!(by_loss.is_sorted_by(|a, b| a >= b) && by_delay.is_sorted_by(|a, b| a >= b));
    }
}

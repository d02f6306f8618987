//! The server's reports on our packets, over all connections of a call.

use str0m::media::Mid;
use str0m::stats::MediaEgressStats;

use crate::outlet::Report;

/// From here on a count of lost packets, which has 24 bits and a sign (RFC 3550 §6.4.1), is below zero: more came than
/// were sent, as some came twice.
const NEGATIVE: u64 = 1 << 23;

#[derive(Default)]
pub(crate) struct Reports {
    so_far: Report,
    /// The section that was reported on last: each connection has another.
    section: Option<Mid>,
    /// The most packets that were lost of it.
    lost: u64,
}

impl Reports {
    /// Notes what str0m has of the last report, and returns what is known by now.
    pub(crate) fn note(&mut self, stats: &MediaEgressStats) -> Report {
        if self.section.replace(stats.mid) != Some(stats.mid) {
            self.lost = 0;
        }
        if let Some(round_trip) = stats.rtt {
            self.so_far.round_trip_ms = Some(round_trip.as_secs_f64() * 1000.0);
        }
        if let Some(lost) = stats.remote.as_ref().map(|remote| remote.packets_lost)
            && (self.lost..NEGATIVE).contains(&lost)
        {
            // It becomes less when a packet comes late: of those nothing is taken back.
            self.so_far.lost += lost - self.lost;
            self.lost = lost;
        }
        self.so_far
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use str0m::stats::RemoteIngressStats;

    use super::*;

    fn stats(mid: &str, rtt: Option<Duration>, packets_lost: Option<u64>) -> MediaEgressStats {
        let remote = packets_lost.map(|packets_lost| RemoteIngressStats {
            jitter: 0,
            maximum_sequence_number: 0.into(),
            packets_lost,
        });
        MediaEgressStats {
            mid: mid.into(),
            rid: None,
            bytes: 0,
            packets: 0,
            firs: 0,
            plis: 0,
            nacks: 0,
            rtt,
            loss: None,
            timestamp: crate::clock::now(),
            remote,
        }
    }

    #[test]
    fn the_round_trip_stays_until_there_is_another() {
        let mut reports = Reports::default();
        assert_eq!(reports.note(&stats("a", None, None)), Report::default());
        for (rtt, known_ms) in [(Some(40), 40.0), (None, 40.0), (Some(25), 25.0)] {
            let report = reports.note(&stats("a", rtt.map(Duration::from_millis), None));
            assert_eq!(report.round_trip_ms, Some(known_ms));
        }
    }

    #[test]
    fn losses_of_all_connections_are_counted_once() {
        let mut reports = Reports::default();
        let told = [("a", 0), ("a", 5), ("a", 3), ("a", 6), ("a", 0xff_fffe), ("b", 2), ("b", 4)];
        let lost = told.map(|(mid, lost)| reports.note(&stats(mid, None, Some(lost))).lost);
        assert_eq!(lost, [0, 5, 5, 6, 6, 8, 10]);
    }
}

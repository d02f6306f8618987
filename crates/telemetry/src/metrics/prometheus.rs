//! Metrics for who asks this process: Prometheus' text format (OpenMetrics 1.0).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{Kind, Metric, Place, Sample, Unit};

/// What a scrape's answer is (OpenMetrics 1.0, "Content Type").
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Seconds, and what has no unit (a cost, a mark): up to the longest call.
const SECONDS: [f64; 14] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 4.0, 6.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0];
/// Milliseconds: a tail to a start.
const MILLISECONDS: [f64; 12] =
    [5.0, 10.0, 20.0, 30.0, 50.0, 100.0, 250.0, 500.0, 1_000.0, 5_000.0, 15_000.0, 60_000.0];

type LabelValues = Vec<(String, String)>;

/// All metrics of this process. Clones count together.
#[derive(Clone)]
pub struct Prometheus(Arc<Inner>);

struct Inner {
    registry: Registry,
    series: BTreeMap<Metric, Series>,
}

enum Series {
    Sum(Family<LabelValues, Counter<f64, AtomicU64>>),
    Last(Family<LabelValues, Gauge<f64, AtomicU64>>),
    Spread(Family<LabelValues, Histogram, fn() -> Histogram>),
}

impl Prometheus {
    /// Nothing counted yet.
    pub fn new() -> Self {
        let mut registry = Registry::default();
        let series = Metric::ALL.iter().map(|metric| (*metric, register(&mut registry, *metric))).collect();
        Self(Arc::new(Inner { registry, series }))
    }

    /// Counts a sample.
    pub fn take(&self, place: Option<&Place>, sample: &Sample) {
        let place = place.filter(|_| sample.metric.labels().place);
        let place = place.into_iter().flat_map(|place| {
            [
                ("country".to_owned(), place.country().to_owned()),
                ("provider".to_owned(), place.provider().to_owned()),
            ]
        });
        let own = sample.label.map(|label| (in_snake_case(label.name()), label.value().to_owned()));
        let labels: LabelValues = place.chain(own).collect();
        match &self.0.series[&sample.metric] {
            Series::Sum(family) => {
                family.get_or_create(&labels).inc_by(sample.value);
            }
            Series::Last(family) => {
                family.get_or_create(&labels).set(sample.value);
            }
            Series::Spread(family) => family.get_or_create(&labels).observe(sample.value),
        }
    }

    /// All that was counted, as the text that a scrape gets.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = encode(&mut text, &self.0.registry);
        text
    }
}

impl Default for Prometheus {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Prometheus")
    }
}

/// A metric's name in Prometheus, without what its kind adds (`_total`, `_bucket`, …).
pub fn name(metric: Metric) -> String {
    format!("ocg_{}", in_snake_case(metric.name()))
}

/// All names under which a metric's series are found.
pub fn series_names(metric: Metric) -> Vec<String> {
    let name = name(metric);
    match metric.kind() {
        Kind::Sum | Kind::Share => vec![format!("{name}_total")],
        Kind::Last => vec![name],
        Kind::Spread => ["bucket", "sum", "count"].map(|part| format!("{name}_{part}")).to_vec(),
    }
}

/// The labels of a metric's series.
pub fn labels(metric: Metric) -> Vec<String> {
    let place = metric.labels().place.then_some(["country", "provider"].map(str::to_owned));
    place.into_iter().flatten().chain(metric.labels().own.map(in_snake_case)).collect()
}

fn register(registry: &mut Registry, metric: Metric) -> Series {
    let (name, help) = (name(metric), metric.help().trim_end_matches('.'));
    match metric.kind() {
        // The average of a share is its sum by the number of calls, which is a sum of its own.
        Kind::Sum | Kind::Share => {
            let family = Family::default();
            registry.register(name, help, family.clone());
            Series::Sum(family)
        }
        Kind::Last => {
            let family = Family::default();
            registry.register(name, help, family.clone());
            Series::Last(family)
        }
        Kind::Spread => {
            let in_milliseconds = metric.unit() == Unit::Milliseconds;
            let histogram: fn() -> Histogram =
                if in_milliseconds { || Histogram::new(MILLISECONDS) } else { || Histogram::new(SECONDS) };
            let family = Family::new_with_constructor(histogram);
            registry.register(name, help, family.clone());
            Series::Spread(family)
        }
    }
}

/// `TalkSeconds` → `talk_seconds`.
fn in_snake_case(name: &str) -> String {
    let mut snake = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use calls::outcome::OutcomeKind;
    use calls::profile::CountryProfile;

    use super::*;
    use crate::metrics::Label;

    fn brazil() -> Place {
        let profile = CountryProfile::from_json(
            r#"{"country":"BR","livekit":{"url":"wss://livekit.example","trunkId":"ST_1","callerId":"+551140000000"},
                "agent":{"voice":"voice"}}"#,
        );
        Place::of(&profile.unwrap())
    }

    #[test]
    fn what_was_counted_is_told_to_who_asks() {
        let prometheus = Prometheus::new();
        let place = brazil();
        for _ in 0..2 {
            let ended = Sample::by(Metric::Calls, Label::Outcome(OutcomeKind::Answered), 1.0);
            prometheus.clone().take(Some(&place), &ended);
        }
        prometheus.take(Some(&place), &Sample::of(Metric::BargeInTailMilliseconds, 12.0));
        prometheus.take(None, &Sample::of(Metric::OpenAttempts, 7.0));
        prometheus.take(None, &Sample::of(Metric::OpenAttempts, 3.0));
        let text = prometheus.text();
        for line in [
            "# TYPE ocg_calls counter",
            "# HELP ocg_calls Attempts that ended, by how.",
            r#"ocg_calls_total{country="BR",provider="none",outcome="answered"} 2.0"#,
            r#"ocg_barge_in_tail_milliseconds_bucket{le="10.0",country="BR",provider="none"} 0"#,
            r#"ocg_barge_in_tail_milliseconds_bucket{le="20.0",country="BR",provider="none"} 1"#,
            r#"ocg_barge_in_tail_milliseconds_sum{country="BR",provider="none"} 12.0"#,
            "ocg_open_attempts 3.0",
            "# EOF",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}

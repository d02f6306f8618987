//! What the watcher is told by its environment, read once.

use calls::settle::Policy;
use router::variables::Reader;

/// The watcher's settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// `OCG_STAGE`: the deployment's name, in the parameters' path and in the metadata of its rooms.
    pub stage: String,
    /// `OCG_BUCKET`: where call folders are.
    pub bucket: String,
    /// `TASK_EVENTS_QUEUE_URL`: where the news of tasks comes from.
    pub task_events_queue_url: String,
    /// `TRIGGER_CALL_QUEUE_URL`: where a message goes that asks for another attempt.
    pub trigger_call_queue_url: String,
    /// `DEAD_LETTER_QUEUE_URL`.
    pub dead_letter_queue_url: String,
    /// `CALL_HISTORY_QUEUE_URL`: where upstream is told; without, it is not.
    pub call_history_queue_url: Option<String>,
    /// `OTEL_EXPORTER_OTLP_ENDPOINT`: where traces go; without, there are none.
    pub traces_endpoint: Option<String>,
    /// `ECS_CLUSTER`: whose tasks are asked for.
    pub cluster: String,
    /// `MAX_ATTEMPTS`, `FIRST_DELAY_SECONDS`.
    pub policy: Policy,
}

impl Settings {
    /// Reads them with `get`, which looks a variable up.
    ///
    /// # Errors
    /// A line for everything that is missing or wrong.
    pub fn read(get: impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let mut reader = Reader::new(get);
        let settings = Self {
            stage: reader.required("OCG_STAGE", "the deployment's name, such as prod"),
            bucket: reader.required("OCG_BUCKET", "the bucket of the call folders"),
            task_events_queue_url: reader
                .required("TASK_EVENTS_QUEUE_URL", "where the news of tasks comes from"),
            trigger_call_queue_url: reader
                .required("TRIGGER_CALL_QUEUE_URL", "where another attempt is asked for"),
            dead_letter_queue_url: reader
                .required("DEAD_LETTER_QUEUE_URL", "where messages go that are given up"),
            call_history_queue_url: reader.optional("CALL_HISTORY_QUEUE_URL"),
            traces_endpoint: reader.optional("OTEL_EXPORTER_OTLP_ENDPOINT"),
            cluster: reader.required("ECS_CLUSTER", "the cluster that runs the calls"),
            policy: reader.settling(),
        };
        let problems = reader.into_problems();
        if problems.is_empty() { Ok(settings) } else { Err(problems.join("\n")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_missing_or_wrong_is_told_at_once() {
        let wrong = |name: &str| (name == "MAX_ATTEMPTS").then(|| "none".to_owned());
        let problems = Settings::read(wrong).expect_err("nothing is set");
        let names = [
            "OCG_STAGE",
            "OCG_BUCKET",
            "TASK_EVENTS_QUEUE_URL",
            "TRIGGER_CALL_QUEUE_URL",
            "DEAD_LETTER_QUEUE_URL",
            "ECS_CLUSTER",
        ];
        for name in names {
            assert!(problems.contains(&format!("{name} is not set")), "{name}: {problems}");
        }
        assert!(problems.contains("MAX_ATTEMPTS=none"), "{problems}");
    }
}

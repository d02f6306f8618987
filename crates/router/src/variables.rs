//! Reading variables, so that everything that is missing or wrong is told at once; and those that every router has.

use std::time::Duration;

use calls::routing::Policy;

/// Looks variables up and gathers what is wrong with them.
pub struct Reader<G> {
    get: G,
    problems: Vec<String>,
}

impl<G: Fn(&str) -> Option<String>> Reader<G> {
    /// A reader that looks a variable up with `get`.
    pub fn new(get: G) -> Self {
        Self { get, problems: Vec::new() }
    }

    /// What was missing or wrong so far, a sentence each.
    pub fn into_problems(self) -> Vec<String> {
        self.problems
    }

    /// Adds what somebody else found wrong.
    pub fn complain(&mut self, problem: impl Into<String>) {
        self.problems.push(problem.into());
    }

    /// A variable, trimmed; an empty one counts as not set.
    pub fn optional(&self, name: &str) -> Option<String> {
        (self.get)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    /// One that must be set; `what` says what it is.
    pub fn required(&mut self, name: &str, what: &str) -> String {
        self.optional(name).unwrap_or_else(|| {
            self.problems.push(format!("{name} is not set: {what}"));
            String::new()
        })
    }

    /// One that must be set, to texts with commas between.
    pub fn list(&mut self, name: &str, what: &str) -> Vec<String> {
        let text = self.required(name, what);
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let items: Vec<String> = items.map(str::to_owned).collect();
        if items.is_empty() && !text.is_empty() {
            self.problems.push(format!("{name}={text} names nothing: {what}"));
        }
        items
    }

    /// A whole number above 0.
    pub fn count(&mut self, name: &str, default: u32) -> u32 {
        let Some(text) = self.optional(name) else { return default };
        text.parse().ok().filter(|count| *count > 0).unwrap_or_else(|| {
            self.problems.push(format!("{name}={text} must be a whole number above 0"));
            default
        })
    }

    /// A number above 0.
    pub fn number(&mut self, name: &str, default: f64) -> f64 {
        let Some(text) = self.optional(name) else { return default };
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() && number > 0.0 => number,
            _ => {
                self.problems.push(format!("{name}={text} must be a number above 0"));
                default
            }
        }
    }

    /// `MAX_ATTEMPTS` and `FIRST_DELAY_SECONDS`.
    pub fn settling(&mut self) -> calls::settle::Policy {
        let default = calls::settle::Policy::default();
        let first_delay = self.number("FIRST_DELAY_SECONDS", default.first_delay.as_secs_f64());
        calls::settle::Policy {
            max_attempts: self.count("MAX_ATTEMPTS", default.max_attempts),
            first_delay: Duration::try_from_secs_f64(first_delay).unwrap_or(default.first_delay),
        }
    }

    /// `MAX_RECEIVES`, `MAX_AGE_SECONDS` (0: age does not matter) and `CLAIM_WITHIN_SECONDS`.
    pub fn policy(&mut self) -> Policy {
        let default = Policy::default();
        let max_age = self.optional("MAX_AGE_SECONDS").filter(|text| text != "0");
        Policy {
            max_age: max_age.map(|_| Duration::from_secs_f64(self.number("MAX_AGE_SECONDS", 1.0))),
            max_receives: self.count("MAX_RECEIVES", default.max_receives),
            claim_within: Duration::from_secs_f64(
                self.number("CLAIM_WITHIN_SECONDS", default.claim_within.as_secs_f64()),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy_of(variables: &[(&str, &str)]) -> (Policy, Vec<String>) {
        let get =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned());
        let mut reader = Reader::new(get);
        let policy = reader.policy();
        (policy, reader.into_problems())
    }

    #[test]
    fn an_age_of_zero_is_no_limit() {
        assert_eq!(policy_of(&[("MAX_AGE_SECONDS", "0")]).0.max_age, None);
        assert_eq!(policy_of(&[("MAX_AGE_SECONDS", "3600")]).0.max_age, Some(Duration::from_secs(3600)));
    }

    #[test]
    fn what_is_set_to_nonsense_is_told_with_its_name() {
        for (name, value) in
            [("MAX_RECEIVES", "0.5"), ("MAX_AGE_SECONDS", "-1"), ("CLAIM_WITHIN_SECONDS", "soon")]
        {
            let (policy, problems) = policy_of(&[(name, value)]);
            assert!(
                problems.len() == 1 && problems[0].starts_with(&format!("{name}={value}")),
                "{problems:?}"
            );
            assert_eq!(policy.max_receives, Policy::default().max_receives);
        }
    }
}

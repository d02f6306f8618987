//! Which letters are meant.

use std::collections::HashSet;

use calls::profile::Profiles;
use calls::trigger::RefusalCode;
use clap::Args;
use jiff::{SignedDuration, Span, SpanRelativeTo, Timestamp};

use super::letter::Letter;
use crate::failure::misuse;

/// What `--code` and `--country` call the absence of one.
const NONE: &str = "none";

/// Letters that are like this; what is not said does not matter.
#[derive(Args, Clone, Debug, Default)]
pub struct Filter {
    /// Refused with this code, such as no_profile_for_prefix; none: moved by SQS without a reason. May be repeated.
    #[arg(long, value_name = "CODE", value_parser = code)]
    pub code: Vec<String>,
    /// Of this country (ISO 3166-1 alpha-2); none: it cannot be told. May be repeated.
    #[arg(long, value_name = "CC")]
    pub country: Vec<String>,
    /// Here for longer than this, such as 2h, 90m or 3d.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub older_than: Option<SignedDuration>,
    /// Here for less than this.
    #[arg(long, value_name = "AGE", value_parser = age)]
    pub newer_than: Option<SignedDuration>,
}

/// The letters that something is to be done to. Nothing is ever done to all of them because somebody forgot to say
/// which.
#[derive(Args, Clone, Debug, Default)]
pub struct Which {
    /// What they are like.
    #[command(flatten)]
    pub filter: Filter,
    /// This one: the beginning of its id or of its call's key, or the id of its call. May be repeated.
    #[arg(long, value_name = "ID")]
    pub id: Vec<String>,
    /// All of them.
    #[arg(long, conflicts_with_all = ["id", "code", "country", "older_than", "newer_than"])]
    pub all: bool,
    /// So many of them at most, the oldest first.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

impl Filter {
    /// Nothing was said.
    pub fn is_empty(&self) -> bool {
        let ages = [self.older_than, self.newer_than];
        self.code.is_empty() && self.country.is_empty() && ages.iter().all(Option::is_none)
    }

    /// Is this letter like that?
    pub fn takes(&self, letter: &Letter, profiles: Option<&Profiles>, now: Timestamp) -> bool {
        let age = now.duration_since(letter.at());
        let is_one_of = |wanted: &[String], found: Option<&str>| {
            wanted.is_empty()
                || wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(found.unwrap_or(NONE)))
        };
        is_one_of(&self.code, letter.code())
            && (self.country.is_empty() || is_one_of(&self.country, letter.country(profiles).as_deref()))
            && self.older_than.is_none_or(|limit| age > limit)
            && self.newer_than.is_none_or(|limit| age < limit)
    }
}

impl Which {
    /// # Errors
    /// When nobody said which.
    pub fn check(&self) -> anyhow::Result<()> {
        if self.all || !self.id.is_empty() || !self.filter.is_empty() {
            return Ok(());
        }
        Err(misuse("which letters? Say --id, --code, --country, --older-than or --newer-than, or --all"))
    }

    /// Those that are meant, the oldest first.
    ///
    /// # Errors
    /// When an `--id` means several letters.
    pub fn of<'a>(
        &self,
        letters: &'a [Letter],
        profiles: Option<&Profiles>,
        now: Timestamp,
    ) -> anyhow::Result<Vec<&'a Letter>> {
        let mut named: Vec<&str> = Vec::new();
        for id in &self.id {
            named.extend(one(letters, id)?.map(Letter::id));
        }
        let is_named = |letter: &&Letter| self.id.is_empty() || named.contains(&letter.id());
        let meant = letters.iter().filter(is_named);
        let meant = meant.filter(|letter| self.filter.takes(letter, profiles, now));
        Ok(meant.take(self.limit.unwrap_or(usize::MAX)).collect())
    }

    /// The ids of those that are meant.
    ///
    /// # Errors
    /// As [`of`](Self::of).
    pub fn ids_of(
        &self,
        letters: &[Letter],
        profiles: Option<&Profiles>,
        now: Timestamp,
    ) -> anyhow::Result<HashSet<String>> {
        Ok(self.of(letters, profiles, now)?.into_iter().map(|letter| letter.id().to_owned()).collect())
    }
}

/// The one letter that is meant by an id, if there is one.
///
/// # Errors
/// When it means several; names them.
pub fn one<'a>(letters: &'a [Letter], id: &str) -> anyhow::Result<Option<&'a Letter>> {
    let meant: Vec<&Letter> = letters.iter().filter(|letter| letter.is_meant_by(id)).collect();
    match meant.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one)),
        several => {
            let ids: Vec<&str> = several.iter().map(|letter| letter.id()).collect();
            Err(misuse(format!("{id} means {} letters: {}", ids.len(), ids.join(", "))))
        }
    }
}

fn code(text: &str) -> Result<String, String> {
    let known = || RefusalCode::ALL.iter().map(|code| code.as_str()).chain([NONE]);
    match known().find(|code| code.eq_ignore_ascii_case(text)) {
        Some(code) => Ok(code.to_owned()),
        None => Err(format!("there is no such code, only {}", known().collect::<Vec<_>>().join(", "))),
    }
}

fn age(text: &str) -> Result<SignedDuration, String> {
    let example = || "write it as in 45m, 2h or 3d".to_owned();
    let span: Span = text.parse().map_err(|_| example())?;
    let age = span.to_duration(SpanRelativeTo::days_are_24_hours()).map_err(|_| example())?;
    if age.is_negative() { Err(example()) } else { Ok(age) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::letter::tests::letter;
    use super::*;

    fn letters() -> Vec<Letter> {
        let japan = r#"{"metadata":{"phoneNumbers":[{"number":"+81312345678"}]}}"#;
        vec![
            letter("aaaa1", "x", &[("RefusalCode", "not_json"), ("RefusedAt", "2026-07-21T10:00:00Z")]),
            letter(
                "aaaa2",
                japan,
                &[("RefusalCode", "missing_prompt"), ("RefusedAt", "2026-07-21T11:30:00Z")],
            ),
            letter("bbbb3", "{}", &[("RefusedAt", "2026-07-21T11:59:00Z")]),
        ]
    }

    fn taken(which: &Which) -> Vec<String> {
        let letters = letters();
        let meant = which.of(&letters, None, "2026-07-21T12:00:00Z".parse().unwrap()).unwrap();
        meant.into_iter().map(|letter| letter.id().to_owned()).collect()
    }

    fn like(filter: Filter) -> Which {
        Which { filter, ..Which::default() }
    }

    #[test]
    fn letters_are_taken_by_reason_country_and_age() {
        let codes = |codes: &[&str]| Filter {
            code: codes.iter().map(|text| code(text).unwrap()).collect(),
            ..Filter::default()
        };
        assert_eq!(taken(&like(codes(&["NOT_JSON"]))), ["aaaa1"]);
        assert_eq!(taken(&like(codes(&["missing_prompt", "none"]))), ["aaaa2", "bbbb3"]);
        let country = |country: &str| Filter { country: vec![country.to_owned()], ..Filter::default() };
        assert_eq!(taken(&like(country("jp"))), ["aaaa2"]);
        assert_eq!(taken(&like(country("none"))), ["aaaa1", "bbbb3"]);
        let older = Filter { older_than: Some(age("1h").unwrap()), ..Filter::default() };
        assert_eq!(taken(&like(older)), ["aaaa1"]);
        let between = Filter {
            older_than: Some(age("10m").unwrap()),
            newer_than: Some(age("1h").unwrap()),
            ..Filter::default()
        };
        assert_eq!(taken(&like(between)), ["aaaa2"]);
        assert_eq!(taken(&Which { limit: Some(2), all: true, ..Which::default() }), ["aaaa1", "aaaa2"]);
    }

    #[test]
    fn ids_and_filters_both_hold() {
        let id = |id: &str| Which { id: vec![id.to_owned()], ..Which::default() };
        assert_eq!(taken(&id("bbbb")), ["bbbb3"]);
        assert_eq!(taken(&id("cccc")), Vec::<String>::new());
        let contradicting = Which {
            id: vec!["bbbb".to_owned()],
            ..like(Filter { code: vec!["not_json".to_owned()], ..Filter::default() })
        };
        assert_eq!(taken(&contradicting), Vec::<String>::new());
        let ambiguous = id("aaaa").of(&letters(), None, Timestamp::UNIX_EPOCH).unwrap_err();
        assert_eq!(ambiguous.to_string(), "aaaa means 2 letters: aaaa1, aaaa2");
    }

    #[test]
    fn nothing_said_is_not_everything() {
        assert!(Which::default().check().is_err());
        assert!(Which { limit: Some(1), ..Which::default() }.check().is_err());
        assert!(Which { all: true, ..Which::default() }.check().is_ok());
        assert!(Which { id: vec!["a".to_owned()], ..Which::default() }.check().is_ok());
    }

    #[test]
    fn ages_and_codes_that_mean_nothing_are_told() {
        assert_eq!(age("2h").unwrap(), SignedDuration::from_hours(2));
        assert_eq!(age("3d").unwrap(), SignedDuration::from_hours(72));
        for bad in ["", "2", "soon", "-2h", "1 month"] {
            assert!(age(bad).is_err(), "{bad}");
        }
        assert!(code("no_such").unwrap_err().contains("bad_field"));
    }
}

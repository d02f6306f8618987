//! `ocg dlq ls`

use std::collections::BTreeMap;

use clap::Args;
use jiff::Timestamp;

use super::filter::Filter;
use super::letter::{Described, NOTHING, printable, shown_length};
use super::{Desk, held};
use crate::failure::Answer;
use crate::output::{Output, age};

/// As much of a refusal's sentence as a line of the table shows where nothing else says how wide it is.
const SHOWN_OF_A_DETAIL: usize = 100;

/// Lists dead letters, the oldest first.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  ocg dlq ls --country BR --newer-than 1d\n\n\
    Exit code 3: letters were asked for that there are none of.")]
pub struct Ls {
    #[command(flatten)]
    filter: Filter,
    /// So many of them at most, the oldest first; all are counted.
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
}

pub(super) async fn run(asked: &Ls, desk: &Desk<'_>) -> anyhow::Result<Answer> {
    let profiles = desk.profiles_if_any().await;
    let now = Timestamp::now();
    let read = async |held: &mut held::Held| {
        let meant = held
            .letters()
            .iter()
            .filter(|letter| asked.filter.takes(letter, profiles.as_deref(), now))
            .map(|letter| letter.described(profiles.as_deref(), now))
            .collect::<Vec<Described>>();
        Ok((meant, shown_length(held.letters()), held.with_others))
    };
    let (letters, id_length, with_others) =
        held::with_all(&desk.dead_letters, &desk.interrupt, desk.output, read).await?;
    let shown = letters.iter().take(asked.limit.unwrap_or(usize::MAX));
    if desk.output.json {
        for letter in shown {
            desk.output.object(letter)?;
        }
    } else {
        count(&letters, now, desk.output);
        if !letters.is_empty() {
            desk.output.say("");
            let heading = ["id", "age", "reason", "country", "call", "path", "detail"];
            desk.output.table(&heading, shown.map(|letter| row(letter, id_length, now)));
        }
    }
    desk.remark_others(with_others);
    Ok(Answer::yes_if(!letters.is_empty() || asked.filter.is_empty()))
}

fn count(letters: &[Described], now: Timestamp, output: &Output) {
    let Some(oldest) = letters.iter().map(|letter| letter.at).min() else {
        output.say("no dead letters");
        return;
    };
    output.say(format!("{}, the oldest since {}", super::letters(letters.len()), age(oldest, now)));
    let by_reason = tally(letters.iter().map(|letter| letter.code.as_deref()));
    let by_country = tally(letters.iter().map(|letter| letter.country.as_deref()));
    output.say(format!("  by reason   {by_reason}"));
    output.say(format!("  by country  {by_country}"));
}

/// `not_json 3, - 1`: the most frequent first.
fn tally<'a>(found: impl Iterator<Item = Option<&'a str>>) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for one in found {
        *counts.entry(one.unwrap_or(NOTHING)).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let told: Vec<String> =
        counts.iter().map(|(what, count)| format!("{} {count}", printable(what))).collect();
    told.join(", ")
}

fn row(letter: &Described, id_length: usize, now: Timestamp) -> Vec<String> {
    let or_nothing = |text: &Option<String>| printable(text.as_deref().unwrap_or(NOTHING));
    let detail: String = or_nothing(&letter.detail);
    let detail = match detail.char_indices().nth(SHOWN_OF_A_DETAIL) {
        Some((end, _)) => format!("{}…", &detail[..end]),
        None => detail,
    };
    vec![
        letter.id.get(..id_length).unwrap_or(&letter.id).to_owned(),
        age(letter.at, now),
        or_nothing(&letter.code),
        or_nothing(&letter.country),
        or_nothing(&letter.call_id),
        or_nothing(&letter.path),
        detail,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_most_comes_first() {
        let found = [Some("b"), None, Some("a"), Some("b"), Some("\u{1b}c")];
        assert_eq!(tally(found.into_iter()), "b 2, \\u{1b}c 1, - 1, a 1");
    }
}

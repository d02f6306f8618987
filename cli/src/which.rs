//! Which call somebody means: by its key, the beginning of it, one of its attempts, or its id.

use std::collections::BTreeSet;

use calls::ids::{AttemptId, CallKey};
use cloud::call_folder::CallFolders;
use cloud::call_folder::documents::ByDay;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::failure::misuse;

/// An id or the beginning of a key is looked for in so many days, today included.
pub const DAYS: i32 = 7;
/// Fewer characters of a key could be many calls'.
const SHORTEST: usize = 6;

/// Today, in UTC, as the call folders count days.
pub fn today() -> Date {
    Timestamp::now().to_zoned(TimeZone::UTC).date()
}

/// Today and the days before it.
pub fn last_days(days: i32) -> impl Iterator<Item = Date> {
    (0..days.max(1)).filter_map(|ago| today().checked_sub(ago.days()).ok())
}

/// The call that is meant; `None`: there is none.
///
/// # Errors
/// When several could be, or the store cannot be read.
pub async fn find(folders: &CallFolders, meant: &str) -> anyhow::Result<Option<CallKey>> {
    // Somebody's id may look like a key.
    if let Ok(key) = meant.parse::<CallKey>()
        && (folders.brief(&key).await?.is_some() || folders.look(&key).await?.message.is_some())
    {
        return Ok(Some(key));
    }
    if let Ok(attempt) = meant.parse::<AttemptId>() {
        return Ok(Some(attempt.key));
    }
    let is_prefix = meant.len() >= SHORTEST && meant.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_meant =
        |call: &ByDay| call.call_id == meant || (is_prefix && call.key.as_str().starts_with(meant));
    let mut found = BTreeSet::new();
    for day in last_days(DAYS) {
        let calls = folders.of_day(day).await?;
        found.extend(calls.into_iter().filter(is_meant).map(|call| call.key.to_string()));
    }
    let found: Vec<String> = found.into_iter().collect();
    match found.as_slice() {
        [] => Ok(None),
        [one] => Ok(Some(one.parse()?)),
        several => {
            Err(misuse(format!("{meant} could be any of {}: name one by its key", several.join(", "))))
        }
    }
}

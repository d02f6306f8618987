//! When people may be called: days and times of day in their own time zone.

use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use crate::profile::CountryProfile;

/// Days of the week and a time of day on each: `mon-fri 08:00-20:00`, `sat 09:00-13:00`, `sun 10:00-24:00`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CallHours {
    first: Weekday,
    last: Weekday,
    from: Time,
    /// `None`: until midnight.
    until: Option<Time>,
}

/// May somebody be called?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hours {
    /// Now, and until then; `None`: without an end in sight.
    Open {
        /// When that is over.
        until: Option<Timestamp>,
    },
    /// Not before this.
    Shut {
        /// When they may.
        until: Timestamp,
    },
}

/// Beyond this no end of open hours is looked for: a week has been seen by then.
const DAYS_AHEAD: i64 = 8;

impl Hours {
    /// The call hours of a profile at `now`. Without any, all hours are call hours.
    pub fn of(profile: &CountryProfile, now: Timestamp) -> Self {
        let always = Self::Open { until: None };
        let Some(zone) = profile.time_zone.as_ref().filter(|_| !profile.call_hours.is_empty()) else {
            return always;
        };
        let today = now.to_zoned(zone.clone()).date();
        let days = (-1..=DAYS_AHEAD).filter_map(|ahead| today.checked_add(ahead.days()).ok());
        let spans =
            days.flat_map(|day| profile.call_hours.iter().filter_map(move |hours| hours.on(day, zone)));
        let mut spans: Vec<(Timestamp, Timestamp)> = spans.collect();
        spans.sort();
        let mut open_until = None;
        for (from, until) in &spans {
            match open_until {
                None if (*from..*until).contains(&now) => open_until = Some(*until),
                Some(end) if *from <= end => open_until = Some(end.max(*until)),
                _ => {}
            }
        }
        match open_until {
            Some(end) if spans.last().is_some_and(|(_, last)| end == *last) && all_week(&spans) => always,
            Some(_) => Self::Open { until: open_until },
            None => {
                let next = spans.iter().map(|(from, _)| *from).find(|from| *from > now);
                // Some day of every week has hours: a profile without any day is not read.
                next.map_or(always, |until| Self::Shut { until })
            }
        }
    }
}

/// No hole from the first to the last of them.
fn all_week(spans: &[(Timestamp, Timestamp)]) -> bool {
    spans.windows(2).all(|pair| pair[1].0 <= pair[0].1)
}

impl CallHours {
    fn is_on(&self, day: Weekday) -> bool {
        let after_first = |day: Weekday| self.first.until(day);
        after_first(day) <= after_first(self.last)
    }

    /// The hours of one date; none if it is another day of the week. (Where a clock is put forward over them, what
    /// is left of them.)
    fn on(&self, date: Date, zone: &TimeZone) -> Option<(Timestamp, Timestamp)> {
        if !self.is_on(date.weekday()) {
            return None;
        }
        let at = |date: Date, time: Time| {
            Some(zone.to_ambiguous_zoned(date.to_datetime(time)).compatible().ok()?.timestamp())
        };
        let from = at(date, self.from)?;
        let until = match self.until {
            Some(until) => at(date, until)?,
            None => at(date.tomorrow().ok()?, Time::midnight())?,
        };
        (from < until).then_some((from, until))
    }
}

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Monday),
    ("tue", Weekday::Tuesday),
    ("wed", Weekday::Wednesday),
    ("thu", Weekday::Thursday),
    ("fri", Weekday::Friday),
    ("sat", Weekday::Saturday),
    ("sun", Weekday::Sunday),
];

fn name_of(day: Weekday) -> &'static str {
    DAYS.iter().find(|(_, known)| *known == day).map_or("", |(name, _)| name)
}

/// A text that names no call hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("call hours are days and times such as mon-fri 08:00-20:00, or sat 09:00-13:00")]
pub struct BadCallHours;

impl FromStr for CallHours {
    type Err = BadCallHours;

    fn from_str(text: &str) -> Result<Self, BadCallHours> {
        let day = |name: &str| DAYS.iter().find(|(known, _)| *known == name).map(|(_, day)| *day);
        let read = || {
            let (days, times) = text.split_once(' ')?;
            let (first, last) = days.split_once('-').unwrap_or((days, days));
            let (from, until) = times.split_once('-')?;
            let until = if until == "24:00" { None } else { Some(time(until)?) };
            Some(Self { first: day(first)?, last: day(last)?, from: time(from)?, until })
        };
        let hours: Self = read().ok_or(BadCallHours)?;
        let is_forward = hours.until.is_none_or(|until| hours.from < until);
        if is_forward { Ok(hours) } else { Err(BadCallHours) }
    }
}

/// `HH:MM`.
fn time(text: &str) -> Option<Time> {
    let is_number = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let (hour, minute) =
        text.split_once(':').filter(|(hour, minute)| is_number(hour) && is_number(minute))?;
    Time::new(hour.parse().ok()?, minute.parse().ok()?, 0, 0).ok()
}

impl fmt::Display for CallHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(name_of(self.first))?;
        if self.first != self.last {
            write!(f, "-{}", name_of(self.last))?;
        }
        write!(f, " {}-", self.from.strftime("%H:%M"))?;
        match self.until {
            Some(until) => write!(f, "{}", until.strftime("%H:%M")),
            None => f.write_str("24:00"),
        }
    }
}

impl TryFrom<String> for CallHours {
    type Error = BadCallHours;
    fn try_from(text: String) -> Result<Self, BadCallHours> {
        text.parse()
    }
}

impl From<CallHours> for String {
    fn from(hours: CallHours) -> Self {
        hours.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    fn profile(hours: &[&str], zone: &str) -> CountryProfile {
        let profile = json!({ "country": "BR", "callHours": hours, "timeZone": zone, "agent": { "voice": "Ana" },
            "livekit": { "url": "wss://lk.example", "trunkId": "ST_1", "callerId": "+551130000000" } });
        CountryProfile::from_json(&profile.to_string()).unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// In São Paulo it is three hours earlier than in UTC.
    const SAO_PAULO: &str = "America/Sao_Paulo";

    #[test]
    fn within_the_hours_a_person_may_be_called_until_they_end() {
        let profile = profile(&["mon-fri 08:00-20:00"], SAO_PAULO);
        let open = |until| Hours::Open { until: Some(at(until)) };
        // A Tuesday.
        assert_eq!(Hours::of(&profile, at("2026-07-21T11:00:00Z")), open("2026-07-21T23:00:00Z"));
        assert_eq!(Hours::of(&profile, at("2026-07-21T22:59:59Z")), open("2026-07-21T23:00:00Z"));
    }

    #[test]
    fn outside_of_them_nobody_is_called_before_the_next_ones() {
        let profile = profile(&["mon-fri 08:00-20:00", "sat 09:00-13:00"], SAO_PAULO);
        let shut = |until| Hours::Shut { until: at(until) };
        assert_eq!(Hours::of(&profile, at("2026-07-21T23:00:00Z")), shut("2026-07-22T11:00:00Z"));
        assert_eq!(Hours::of(&profile, at("2026-07-24T23:30:00Z")), shut("2026-07-25T12:00:00Z"));
        assert_eq!(Hours::of(&profile, at("2026-07-25T16:00:00Z")), shut("2026-07-27T11:00:00Z"));
        // Three in the morning there.
        assert_eq!(Hours::of(&profile, at("2026-07-21T06:00:00Z")), shut("2026-07-21T11:00:00Z"));
    }

    #[test]
    fn hours_that_meet_are_one() {
        let profile = profile(&["mon 08:00-24:00", "tue 00:00-06:00"], SAO_PAULO);
        let end = Some(at("2026-07-21T09:00:00Z"));
        assert_eq!(Hours::of(&profile, at("2026-07-20T12:00:00Z")), Hours::Open { until: end });
        assert_eq!(Hours::of(&profile, at("2026-07-21T03:00:00Z")), Hours::Open { until: end });
    }

    #[test]
    fn all_days_all_day_and_no_hours_at_all_are_always() {
        let always = Hours::Open { until: None };
        let all = profile(&["mon-sun 00:00-24:00"], SAO_PAULO);
        assert_eq!(Hours::of(&all, at("2026-07-21T06:00:00Z")), always);
        let none = CountryProfile { call_hours: Vec::new(), ..all };
        assert_eq!(Hours::of(&none, at("2026-07-21T06:00:00Z")), always);
    }

    #[test]
    fn a_clock_that_is_put_forward_moves_the_hours_with_it() {
        // Berlin, 2026-03-29: 02:00 becomes 03:00.
        let profile = profile(&["mon-sun 08:00-20:00"], "Europe/Berlin");
        let before = Hours::of(&profile, at("2026-03-28T06:00:00Z"));
        let after = Hours::of(&profile, at("2026-03-29T05:00:00Z"));
        assert_eq!(before, Hours::Shut { until: at("2026-03-28T07:00:00Z") });
        assert_eq!(after, Hours::Shut { until: at("2026-03-29T06:00:00Z") });
    }

    #[test]
    fn a_range_of_days_may_go_over_the_weeks_end() {
        let profile = profile(&["sat-mon 10:00-12:00"], "UTC");
        assert!(matches!(Hours::of(&profile, at("2026-07-20T11:00:00Z")), Hours::Open { .. }));
        assert!(matches!(Hours::of(&profile, at("2026-07-21T11:00:00Z")), Hours::Shut { .. }));
    }

    #[test]
    fn hours_are_read_and_written_alike_and_nonsense_is_refused() {
        for text in ["mon-fri 08:00-20:00", "sat 09:00-13:00", "sun-tue 00:00-24:00"] {
            assert_eq!(text.parse::<CallHours>().unwrap().to_string(), text);
        }
        for bad in [
            "",
            "mon",
            "mon 8-20",
            "mon 08:00",
            "mon 20:00-08:00",
            "mon 08:00-08:00",
            "mo 08:00-20:00",
            "mon-fri-sat 08:00-20:00",
            "mon 08:00-25:00",
            "mon 08:60-20:00",
            "mon  08:00-20:00",
            "mon +8:00-20:00",
        ] {
            assert_eq!(bad.parse::<CallHours>(), Err(BadCallHours), "{bad}");
        }
    }

    #[test]
    fn hours_without_a_zone_or_in_none_that_there_is_are_a_broken_profile() {
        let with = |name: &str, value: serde_json::Value| {
            let mut profile = json!({ "country": "BR", "callHours": ["mon 08:00-20:00"], "agent": { "voice": "Ana" },
                "livekit": { "url": "wss://lk.example", "trunkId": "ST_1", "callerId": "+551130000000" } });
            profile[name] = value;
            CountryProfile::from_json(&profile.to_string()).unwrap_err().field
        };
        assert_eq!(with("note", json!("")), "timeZone");
        assert_eq!(with("timeZone", json!("America/Lisbon")), "timeZone");
        assert_eq!(with("callHours", json!(["always"])), "callHours");
        assert_eq!(with("callHours", json!([])), "callHours");
    }
}

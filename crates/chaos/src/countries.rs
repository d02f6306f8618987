//! The parameter store's countries, and how they change over the day.

use std::sync::Arc;

use calls::profile::{CountryProfile, ProfileError, Profiles};

use crate::clock::{HOUR, MINUTE, Ms};
use crate::dice::Dice;

/// Where calls go. No two rules that matter are alike in any two of them.
pub const COUNTRIES: [Country; 5] = [
    Country {
        code: "BR",
        prefix: "+55119",
        digits: 8,
        dial: r#""ringSeconds":30,"maxCallSeconds":900"#,
        rest: "",
    },
    Country {
        code: "CL",
        prefix: "+569",
        digits: 8,
        dial: r#""ringSeconds":20,"maxCallSeconds":300,"retryTrunkErrors":true"#,
        rest: "",
    },
    Country {
        code: "MX",
        prefix: "+5255",
        digits: 8,
        dial: r#""ringSeconds":25,"maxCallSeconds":600"#,
        rest: r#","maxConcurrentCalls":3,"callsPerSecond":2"#,
    },
    Country {
        code: "AR",
        prefix: "+54911",
        digits: 8,
        dial: r#""ringSeconds":30,"maxCallSeconds":120"#,
        rest: r#","callHours":["mon-sun 09:00-20:00"],"timeZone":"America/Argentina/Buenos_Aires""#,
    },
    Country {
        code: "PE",
        prefix: "+519",
        digits: 8,
        dial: r#""ringSeconds":20,"maxCallSeconds":300"#,
        rest: r#","callsPerSecond":0.1"#,
    },
];

/// One country.
#[derive(Clone, Copy, Debug)]
pub struct Country {
    /// ISO 3166-1 alpha-2.
    pub code: &'static str,
    /// What its mobile numbers begin with.
    pub prefix: &'static str,
    /// How many digits follow.
    pub digits: usize,
    dial: &'static str,
    rest: &'static str,
}

/// What the parameter store says at each time of the day.
#[derive(Debug)]
pub struct Countries {
    usual: Arc<Profiles>,
    brazil_broken: Arc<Profiles>,
    chile_gone: Arc<Profiles>,
    /// From, until, which.
    odd: Vec<(Ms, Ms, bool)>,
}

impl Countries {
    /// Of one day: now and then a profile is broken by hand, or gone.
    pub fn of_day(dice: &mut Dice) -> Self {
        let mut odd = Vec::new();
        let mut at = dice.between(0, 4 * HOUR);
        while at < 48 * HOUR {
            let until = at + dice.between(5 * MINUTE, 90 * MINUTE);
            odd.push((at, until, dice.in_thousand(500)));
            at = until + dice.between(HOUR, 6 * HOUR);
        }
        let all = |_: &Country| true;
        Self {
            usual: profiles(all, false),
            brazil_broken: profiles(all, true),
            chile_gone: profiles(|country| country.code != "CL", false),
            odd,
        }
    }

    /// As they stand at a time of the day.
    pub fn profiles(&self, at: Ms) -> Arc<Profiles> {
        let odd = self.odd.iter().find(|(from, until, _)| (*from..*until).contains(&at));
        Arc::clone(match odd {
            None => &self.usual,
            Some((_, _, true)) => &self.brazil_broken,
            Some((_, _, false)) => &self.chile_gone,
        })
    }
}

fn profiles(which: impl Fn(&Country) -> bool, brazil_is_broken: bool) -> Arc<Profiles> {
    let read = COUNTRIES.iter().filter(|country| which(country)).map(|country| {
        let broken = brazil_is_broken && country.code == "BR";
        country.profile(if broken { "" } else { r#""voice":"Ana""# })
    });
    // What we wrote ourselves goes together: no two claim one prefix.
    Arc::new(Profiles::new(read).unwrap_or_default())
}

impl Country {
    fn profile(&self, voice: &str) -> Result<CountryProfile, ProfileError> {
        let Self { code, dial, rest, .. } = self;
        CountryProfile::from_json(&format!(
            r#"{{"v":1,"country":"{code}","livekit":{{"url":"wss://livekit.example","trunkId":"ST_{code}","callerId":"+551130000000"}},
            "dial":{{{dial}}},"agent":{{{voice}}}{rest}}}"#
        ))
    }
}

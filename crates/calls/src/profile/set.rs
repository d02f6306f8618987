//! All profiles: which one is a number's?

use std::collections::BTreeMap;

use rlibphonenumber::PHONE_NUMBER_UTIL;

use super::CountryProfile;
use super::read::{ProfileError, calling_code};
use crate::phone::PhoneNumber;

/// Every country that we know, usable or not. The longest prefix of all finds a number's.
#[derive(Clone, Debug, Default)]
pub struct Profiles {
    usable: Vec<CountryProfile>,
    broken: Vec<ProfileError>,
    /// Prefix → index into `usable`.
    by_prefix: BTreeMap<String, usize>,
}

/// Whose a number is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Found<'a> {
    /// This country's.
    Profile(&'a CountryProfile),
    /// This country's, but its profile cannot be used at the moment.
    Broken(&'a ProfileError),
    /// Nobody's. There is no fallback to another country.
    None,
}

/// Why profiles do not go together. This is a mistake to be mended before anything starts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfilesError {
    /// Two countries claim one prefix, as the US and Canada do by their calling code.
    #[error("the profiles {first} and {second} both claim {prefix}: give each its own \"prefixes\"")]
    SharedPrefix {
        /// The prefix.
        prefix: String,
        /// One country.
        first: String,
        /// The other.
        second: String,
    },
    /// Two profiles for one country.
    #[error("there are two profiles for {country}")]
    SameCountry {
        /// The country.
        country: String,
    },
}

impl Profiles {
    /// Puts the profiles together. Those that could not be read stay in here as broken: their own numbers
    /// are "try again", nobody else's suffer. Disabled ones match nothing.
    ///
    /// # Errors
    /// [`ProfilesError`] if two enabled profiles claim the same country or the same prefix.
    pub fn new(
        read: impl IntoIterator<Item = Result<CountryProfile, ProfileError>>,
    ) -> Result<Self, ProfilesError> {
        let mut all = Self::default();
        for profile in read {
            match profile {
                Ok(profile) if profile.enabled => all.add(profile)?,
                Ok(_) => {}
                Err(error) => all.broken.push(error),
            }
        }
        Ok(all)
    }

    /// The same countries without limits of when and how many: for who asks what would become of a message, not when.
    #[must_use]
    pub fn without_limits(&self) -> Self {
        let mut all = self.clone();
        for profile in &mut all.usable {
            profile.max_concurrent_calls = None;
            profile.calls_per_second = None;
            profile.call_hours = Vec::new();
        }
        all
    }

    fn add(&mut self, profile: CountryProfile) -> Result<(), ProfilesError> {
        if self.of_country(&profile.country).is_some() {
            return Err(ProfilesError::SameCountry { country: profile.country });
        }
        let index = self.usable.len();
        for prefix in &profile.prefixes {
            // A profile may name a prefix twice; that harms nobody.
            match self.by_prefix.insert(prefix.clone(), index) {
                Some(other) if other != index => {
                    let first = self.usable[other].country.clone();
                    return Err(ProfilesError::SharedPrefix {
                        prefix: prefix.clone(),
                        first,
                        second: profile.country,
                    });
                }
                _ => {}
            }
        }
        self.usable.push(profile);
        Ok(())
    }

    /// The profile for a number: the longest prefix over all profiles wins.
    pub fn lookup(&self, number: &PhoneNumber) -> Found<'_> {
        let usable = self.longest_prefix(number.as_e164());
        let broken = self.broken.iter().filter(|error| !error.disabled);
        let broken = broken.filter_map(|error| Some((claim(error, number)?, error)));
        match (usable, broken.max_by_key(|(claim, _)| *claim)) {
            (Some((length, _)), Some((claim, error))) if claim > Claim::Prefix(length) => {
                Found::Broken(error)
            }
            (Some((_, profile)), _) => Found::Profile(profile),
            (None, Some((_, error))) => Found::Broken(error),
            (None, None) => Found::None,
        }
    }

    /// The usable profile of a country (ISO 3166-1 alpha-2, upper case).
    pub fn of_country(&self, country: &str) -> Option<&CountryProfile> {
        self.usable.iter().find(|profile| profile.country == country)
    }

    /// The profiles that can be used, in the order in which they were read.
    pub fn usable(&self) -> &[CountryProfile] {
        &self.usable
    }

    /// The profiles that cannot be used, for whoever can mend them.
    pub fn broken(&self) -> &[ProfileError] {
        &self.broken
    }

    fn longest_prefix(&self, e164: &str) -> Option<(usize, &CountryProfile)> {
        (2..=e164.len()).rev().find_map(|length| {
            let index = *self.by_prefix.get(&e164[..length])?;
            Some((length, &self.usable[index]))
        })
    }
}

/// How strongly a broken profile claims a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Claim {
    /// By a calling code that other countries may have as well.
    CallingCode,
    /// By a prefix of this length.
    Prefix(usize),
    /// The number is of this country by libphonenumber's data, whatever prefix another profile has.
    Country,
}

/// A broken profile claims the prefixes that can still be read in it. If there are none, it claims what it
/// would have by default; but where that code is shared (+1), only its own country's numbers.
fn claim(error: &ProfileError, number: &PhoneNumber) -> Option<Claim> {
    if !error.prefixes.is_empty() {
        let fitting = error.prefixes.iter().filter(|prefix| number.as_e164().starts_with(prefix.as_str()));
        return fitting.map(String::len).max().map(Claim::Prefix);
    }
    let country = error.country.as_deref()?;
    let code = calling_code(country)?;
    if !number.as_e164().starts_with(&code) {
        return None;
    }
    let parsed = PHONE_NUMBER_UTIL.parse(number.as_e164(), None).ok()?;
    let is_of_country = parsed.get_region_code().is_some_and(|region| region.to_string() == country);
    Some(if is_of_country { Claim::Country } else { Claim::CallingCode })
}

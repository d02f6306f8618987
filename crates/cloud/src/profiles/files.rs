//! Profiles from a directory: one JSON file a country.

use std::path::Path;

use calls::profile::{CountryProfile, Profiles};

use super::{Loaded, Problem};

/// Reads every `*.json` of a directory. A file that cannot be used harms its own country only, which
/// its name tells (`br.json`) if its content does not.
pub fn from_directory(directory: &Path) -> Loaded {
    let shown = directory.display();
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) => return nothing(format!("the profiles' directory {shown} cannot be read: {error}")),
    };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    if files.is_empty() {
        return nothing(format!("there is no profile (*.json, one a country) in {shown}"));
    }
    let mut read = Vec::new();
    let mut problems = Vec::new();
    for file in &files {
        let country =
            file.file_stem().map(|stem| stem.to_string_lossy().to_ascii_uppercase()).unwrap_or_default();
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => {
                problems.push(Problem::of(&country, format!("{} cannot be read: {error}", file.display())));
                // What cannot be read is a broken profile of the country that the file is named after.
                String::new()
            }
        };
        let profile = CountryProfile::from_json(&text).map_err(|error| error.found_under(&country));
        if let (Err(error), false) = (&profile, text.is_empty()) {
            let whose = error.country.as_deref().unwrap_or(&country);
            let sentence = format!("{}: {} {}", file.display(), error.field, error.detail);
            problems.push(Problem::of(whose, sentence));
        }
        read.push(profile);
    }
    match Profiles::new(read) {
        Ok(profiles) => Loaded { profiles: Ok(profiles), problems },
        Err(error) => {
            let sentence = format!("{error} (in {shown})");
            problems.push(Problem::of_all(&sentence));
            Loaded { profiles: Err(sentence), problems }
        }
    }
}

fn nothing(sentence: String) -> Loaded {
    Loaded { problems: vec![Problem::of_all(&sentence)], profiles: Err(sentence) }
}

//! How many instructions our paths take, against a stored baseline: `scripts/instructions`, in `make check`.
//!
//! A count is the same on a busy machine and an idle one, so it can be a gate where a time cannot. Valgrind's
//! callgrind counts: this program runs itself under it, once for each path, and only what [`callgrind::counted`]
//! calls is counted. The counts are of the `chaos` profile: as fast as what is deployed but for inlining between
//! crates, and built in a fraction of the time.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "what it prints is what it is for")]

mod baseline;
mod callgrind;
mod paths;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};

use baseline::Baseline;
use callgrind::Counted;

const USAGE: &str =
    "instructions check BASELINE CONDITIONS    fails where a count is off by more than its tolerance
instructions renew BASELINE CONDITIONS    writes the counts of today into the baseline
instructions report BASELINE DIRECTORY    prints the counts, and writes instructions.json for the report
(CONDITIONS: compiler, valgrind, machine; scripts/instructions says which)";

fn main() -> Result<ExitCode> {
    // Read by hand: clap would be a fourth of what has to be built for this gate.
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["check", baseline, conditions] => check(Path::new(baseline), conditions),
        ["renew", baseline, conditions] => renew(Path::new(baseline), conditions.to_owned()),
        ["report", baseline, directory] => report(Path::new(baseline), Path::new(directory)),
        // What runs under valgrind.
        ["walk", path] => paths::walk(path).map(|()| ExitCode::SUCCESS),
        _ => bail!("usage:\n{USAGE}"),
    }
}

fn check(file: &Path, conditions: &str) -> Result<ExitCode> {
    let baseline = read(file)?;
    let counts = count_all()?;
    print(&counts, &baseline);
    let differing = baseline.differing(&counts);
    if differing.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    for what in &differing {
        eprintln!("{what}");
    }
    eprintln!("baseline: {}\nhere:     {conditions}", baseline.conditions);
    eprintln!("if that is meant: scripts/instructions renew, and say in the commit why");
    Ok(ExitCode::FAILURE)
}

fn renew(file: &Path, conditions: String) -> Result<ExitCode> {
    let before = if file.exists() { read(file)? } else { Baseline::default() };
    let counts = count_all()?;
    print(&counts, &before);
    fs::write(file, before.renewed(&counts, conditions).to_string())
        .with_context(|| file.display().to_string())?;
    Ok(ExitCode::SUCCESS)
}

fn report(file: &Path, directory: &Path) -> Result<ExitCode> {
    let counts = count_all()?;
    print(&counts, &read(file)?);
    fs::create_dir_all(directory)?;
    fs::write(directory.join("instructions.json"), serde_json::to_string_pretty(&counts)? + "\n")?;
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path) -> Result<Baseline> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    text.parse().with_context(|| file.display().to_string())
}

fn count_all() -> Result<Vec<Counted>> {
    paths::ALL.iter().map(callgrind::count).collect()
}

fn print(counts: &[Counted], baseline: &Baseline) {
    for counted in counts {
        let stored = baseline.of(&counted.path);
        let stored = stored.map_or_else(|| "none".to_owned(), |stored| stored.to_string());
        println!("{:<22} {:>9} instructions, baseline {stored}", counted.path, counted.instructions);
    }
}

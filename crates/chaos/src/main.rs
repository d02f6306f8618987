//! `make chaos`: a simulated campaign day, or five hundred.

#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use std::process::ExitCode;

use chaos::{Report, Rule, Run, run};
use clap::Parser;

/// Lives simulated campaign days until so many attempts were made, and checks every promise of the call folder.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Attempts, in all days together
    #[arg(long, default_value_t = 100_000)]
    attempts: u64,
    /// The seed; the same one makes the same days [default: drawn, and printed]
    #[arg(long)]
    seed: Option<u64>,
    /// Only this day of them, from 0
    #[arg(long)]
    day: Option<u64>,
    /// Print everything that happens to calls whose key begins so
    #[arg(long, value_name = "KEY")]
    trace: Option<String>,
    /// Break a rule on purpose: the run must fail
    #[arg(long = "break", value_enum)]
    broken: Option<Rule>,
    /// Print how often things happened
    #[arg(long)]
    tally: bool,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let seed = args.seed.unwrap_or_else(rand::random);
    println!("seed {seed}");
    let wanted =
        Run { seed, attempts: args.attempts, day: args.day, broken: args.broken, trace: args.trace.clone() };
    let report = run(&wanted);
    for line in &report.sum.trace {
        println!("{line}");
    }
    if args.tally {
        for (what, times) in &report.sum.tally {
            println!("{times:>10} {what}");
        }
    }
    if !report.sum.violations.is_empty() && args.trace.is_none() {
        explain(&wanted, &report);
    }
    let sum = &report.sum;
    println!(
        "chaos: {} attempts, {} messages, {} double rings, {} lost, {} left over",
        sum.attempts, sum.messages, sum.double_rings, sum.lost, sum.left_over
    );
    if sum.violations.is_empty() && !report.holds(&wanted) {
        println!("FEWER attempts were made than the {} that were asked for", wanted.attempts_asked());
    }
    if report.holds(&wanted) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What was broken, how it came to that, and how to see it again.
fn explain(wanted: &Run, report: &Report) {
    let day = report.sum.number;
    for violation in report.sum.violations.iter().take(10) {
        let whose = violation.attempt.as_ref().map(ToString::to_string).unwrap_or_default();
        println!("BROKEN on day {day}: {whose} {}", violation.what);
    }
    let first = report.sum.violations.iter().find_map(|violation| violation.attempt.as_ref());
    let trace = first.map(|attempt| attempt.key.as_str().to_owned());
    let again = run(&Run { day: Some(day), trace: trace.clone(), ..wanted.clone() });
    for line in &again.sum.trace {
        println!("  {line}");
    }
    println!("again: {}", wanted.again(day));
}

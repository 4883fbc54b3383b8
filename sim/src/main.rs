//! `cargo xtask sim`: runs seeds.

use clap::Parser;
use rheos_sim::history::Counts;
use rheos_sim::run::{self, Options, STEPS};

/// Runs a whole server under a seeded scheduler, clock, disk and network, and checks what its clients were told
#[derive(Parser)]
#[command(name = "cargo xtask sim")]
struct Arguments {
    /// How many seeds
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// Only this seed
    #[arg(long)]
    seed: Option<u64>,
    /// How many steps all clients of a seed make together
    #[arg(long, default_value_t = STEPS)]
    steps: u64,
    /// Print every event
    #[arg(long)]
    trace: bool,
}

#[expect(clippy::print_stdout, reason = "the report is what this is for")]
fn main() {
    let arguments = Arguments::parse();
    let (from, count) = arguments.seed.map_or((arguments.from, arguments.seeds), |seed| (seed, 1));
    let mut totals = Counts::new();
    let mut failed = Vec::new();
    for seed in from..from + count {
        let options = Options { steps: arguments.steps, trace: arguments.trace, ..Options::of(seed) };
        let report = run::run(options);
        for (name, count) in &report.counts {
            *totals.entry(name).or_default() += count;
        }
        if arguments.seed.is_some() {
            println!("seed {seed}: {} events, hash {:016x}", report.events, report.hash);
        }
        if !report.violations.is_empty() {
            failed.push(seed);
            for violation in report.violations.iter().take(5) {
                println!("seed {seed}: {}: {}", violation.rule, violation.what);
            }
            println!("  cargo xtask sim --seed {seed} --steps {} --trace", arguments.steps);
        }
        if (seed - from + 1) % 100 == 0 {
            println!("{} of {count} seeds, {} failed", seed - from + 1, failed.len());
        }
    }
    let totals: Vec<String> = totals.iter().map(|(name, count)| format!("{count} {name}")).collect();
    println!("{count} seeds, {} failed: {}", failed.len(), totals.join(", "));
    if !failed.is_empty() {
        println!("failed: {failed:?}");
        std::process::exit(1);
    }
}

//! The same seed gives the same trace, in one process and in another.

use std::process::Command;

use rheos_sim::run::{Options, run};

/// Seeds with crashes, slow disks and cut connections, of both profiles.
const SEEDS: std::ops::Range<u64> = 1..9;

#[test]
fn a_seed_gives_the_same_trace_again() {
    for seed in SEEDS {
        let [first, second] = [run(Options::of(seed)), run(Options::of(seed))];
        assert_eq!((first.hash, first.events), (second.hash, second.events), "seed {seed}");
        assert!(first.events > 1_000, "seed {seed} has {} events", first.events);
    }
    assert_ne!(run(Options::of(1)).hash, run(Options::of(2)).hash);
}

#[test]
fn a_seed_gives_the_same_trace_in_another_process() {
    for seed in SEEDS {
        let output = Command::new(env!("CARGO_BIN_EXE_rheos-sim")).args(["--seed", &seed.to_string()]).output();
        let output = String::from_utf8(output.expect("the simulation runs").stdout).expect("text");
        let report = run(Options::of(seed));
        assert!(output.contains(&format!("hash {:016x}", report.hash)), "seed {seed}: {output}");
    }
}

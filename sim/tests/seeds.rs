//! Seeds in which nothing may be found, and some in which something must be.

use rheos_sim::run::{Options, Sabotage, run};

/// `cargo xtask sim` runs more.
const SEEDS: std::ops::RangeInclusive<u64> = 1..=100;

#[test]
fn nothing_is_found() {
    let mut acknowledged = 0;
    for seed in SEEDS {
        let report = run(Options::of(seed));
        assert!(report.violations.is_empty(), "cargo xtask sim --seed {seed} --trace: {:#?}", report.violations);
        acknowledged += report.counts["acknowledged"];
    }
    assert!(acknowledged > 10_000, "hardly anything happened: {acknowledged} records");
}

#[test]
fn a_disk_that_lies_about_syncs_is_found_out() {
    let found = (1..=50).find(|seed| {
        let report = run(Options { sabotage: Some(Sabotage::SyncsLie), ..Options::of(*seed) });
        report.violations.iter().any(|violation| violation.rule == "loss")
    });
    assert!(found.is_some());
}

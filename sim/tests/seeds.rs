//! Seeds in which nothing may be found, and some in which something must be.

use rheos_sim::run::{Options, run};
use rheos_sim::sabotage::Sabotage;

/// `cargo xtask sim` runs more. In parts, so that each processor has something to do.
macro_rules! nothing_is_found {
    ($($name:ident: $seeds:expr;)*) => {
        $(
            #[test]
            fn $name() {
                nothing_is_found($seeds);
            }
        )*
    };
}

nothing_is_found! {
    nothing_is_found_in_50_seeds: 1..=50;
    nothing_is_found_in_50_more: 51..=100;
    nothing_is_found_in_the_third_50: 101..=150;
    nothing_is_found_in_the_last_50: 151..=200;
}

fn nothing_is_found(seeds: std::ops::RangeInclusive<u64>) {
    let mut acknowledged = 0;
    for seed in seeds {
        let report = run(Options::of(seed));
        assert!(report.violations.is_empty(), "cargo xtask sim --seed {seed} --trace: {:#?}", report.violations);
        acknowledged += report.counts["acknowledged"];
    }
    assert!(acknowledged > 5_000, "hardly anything happened: {acknowledged} records");
}

#[test]
fn every_defect_is_found() {
    for (sabotage, rule) in Sabotage::ALL {
        let is_found = |seed: &u64| {
            let report = run(Options { sabotage: Some(*sabotage), ..Options::of(*seed) });
            report.violations.iter().any(|violation| violation.rule == *rule)
        };
        let seed = (1..=40).find(is_found);
        assert!(seed.is_some(), "{sabotage:?} is not found by {rule:?}");
        println!("{sabotage:?} is found by {rule:?} after {seed:?} seeds");
    }
}

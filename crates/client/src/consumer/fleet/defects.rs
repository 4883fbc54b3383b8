//! Defects on purpose, one at a time, in what lies under the workers or beside them: a checker that lets them through would prove nothing.

use rheos_types::Clock;

use super::{PausedClock, Run, run_planned};

/// Something that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Defect {
    /// The store changes rows whatever was expected of them: a worker without conditions on its writes.
    NoConditions,
    /// The store acknowledges changes that it has not made.
    LostWrites,
    /// A page of records lacks its first now and then.
    LostRecords,
    /// A closed shard ends before its last records.
    EarlyEnd,
    /// Shards do not name their parents: a worker that does not wait for them.
    NoParents,
    /// Dead letters are acknowledged and lost.
    LostLetters,
    /// A batch that fails counts as processed, as in the KCL.
    SkippedFailures,
    /// The clock of a worker is slow, so that its leases seem good for longer than they are.
    SlowClock,
}

/// What is broken, and what the checker says of it.
const DEFECTS: [(Defect, &str); 8] = [
    (Defect::NoConditions, "came again"),
    (Defect::LostWrites, "was acknowledged"),
    (Defect::LostRecords, "was left out"),
    (Defect::EarlyEnd, "were not processed"),
    (Defect::NoParents, "came before records of its parent"),
    (Defect::LostLetters, "were not processed"),
    (Defect::SkippedFailures, "was left out"),
    (Defect::SlowClock, "after its last sign of life"),
];

/// A clock that runs at an eighth of its speed.
pub(super) struct SlowClock(pub(super) PausedClock);

impl Clock for SlowClock {
    fn wall_ms(&self) -> u64 {
        self.0.wall_ms()
    }

    fn monotonic_ms(&self) -> u64 {
        self.0.monotonic_ms() / 8
    }
}

/// Within so many seeds each defect is found.
const SEEDS: u64 = 40;

#[test]
fn each_defect_is_found() {
    let mut unfound = Vec::new();
    for (defect, expected) in DEFECTS {
        let found = (1..=SEEDS).find(|seed| {
            let broken = || {
                let mut run = Run::new(*seed);
                run.plan.defect = Some(defect);
                // Its place has to come up.
                run.plan.poison = if defect == Defect::LostLetters { 40 } else { run.plan.poison };
                run.plan.workers = run.plan.workers.max(2);
                run
            };
            run_planned(broken).0.iter().any(|finding| finding.contains(expected))
        });
        println!("{defect:?}: seed {found:?}");
        if found.is_none() {
            unfound.push(defect);
        }
    }
    assert!(unfound.is_empty(), "in {SEEDS} seeds nobody noticed {unfound:?}");
}

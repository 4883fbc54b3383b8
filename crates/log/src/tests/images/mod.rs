//! Crash images: everything that a power cut can leave at every sync of generated histories, recovered and checked.
//!
//! `docs/durability.md` says what an image is, and `cargo xtask crash-images` looks at many more histories than the tests
//! here. A failure names one command that looks at the same image again.

mod explore;
mod history;
mod model;

use crate::files::sim::SimFiles;
use explore::{Scope, Totals, explore};
use std::path::Path;

/// Which histories, and what of them.
struct Run {
    first: u64,
    histories: u64,
    scope: Scope,
}

impl Run {
    /// Some of each of some histories; or what `cargo xtask crash-images` asks for in `RHEOS_CRASH_IMAGES`: the seed of the
    /// first history and how many, perhaps a sync point, perhaps an image of it.
    fn chosen() -> Self {
        let Some(given) = std::env::var_os("RHEOS_CRASH_IMAGES") else {
            return Self { first: 1, histories: 30, scope: Scope { one_in: 6, ..Scope::ALL } };
        };
        let given = given.to_string_lossy();
        let mut given = given.split(' ').map(|number| number.parse::<u64>().expect("numbers"));
        let (first, histories) = (given.next().expect("a seed"), given.next().expect("a number of histories"));
        let (point, image) = (given.next().map(|point| point as usize), given.next().map(|image| image as usize));
        Self { first, histories, scope: Scope { point, image, ..Scope::ALL } }
    }
}

#[test]
fn every_image_of_generated_histories_is_recovered() {
    let Run { first, histories, scope } = Run::chosen();
    let (mut totals, mut failures) = (Totals::default(), 0);
    for seed in first..first + histories {
        if let Err(failure) = explore(seed, scope, |_| {}, &mut totals) {
            failures += 1;
            println!("FAILED: {failure}");
        }
        if totals.histories.is_multiple_of(10) {
            println!("{totals}");
        }
    }
    println!("from seed {first}: {totals}; {failures} histories with an image that failed");
    assert_eq!(failures, 0);
    assert!(totals.images > 0, "nothing was looked at: there is no such sync point or image");
}

/// Breaks the disk and says how many images it took to notice.
fn until_caught(break_it: impl Fn(&SimFiles)) -> Totals {
    let mut totals = Totals::default();
    for seed in 1..=60 {
        // A part of each history's sync points, as in the test that finds nothing: what is broken shows in any of them.
        if let Err(failure) = explore(seed, Scope { one_in: 6, ..Scope::ALL }, &break_it, &mut totals) {
            println!("caught after {totals}: {failure}");
            return totals;
        }
    }
    panic!("not noticed in {totals}");
}

#[test]
fn a_log_file_that_is_not_synced_is_noticed() {
    until_caught(|files| {
        files.ignore_syncs_of(|path| path.starts_with("/data/log/") && path != Path::new("/data/log"))
    });
}

#[test]
fn a_segment_or_snapshot_that_is_not_synced_is_noticed() {
    until_caught(|files| {
        files.ignore_syncs_of(|path| path.starts_with("/data/objects/") && path.extension().is_some())
    });
}

#[test]
fn a_manifest_that_is_not_synced_is_noticed() {
    until_caught(|files| files.ignore_syncs_of(|path| path == Path::new("/data/MANIFEST.new")));
}

/// Which is also what would happen if log files were recycled before the manifest that lets them go is durable.
#[test]
fn a_directory_that_is_not_synced_after_the_manifest_was_renamed_is_noticed() {
    until_caught(|files| files.ignore_syncs_of(|path| path == Path::new("/data")));
}

#[test]
fn a_directory_that_is_not_synced_after_a_log_file_was_renamed_is_noticed() {
    until_caught(|files| files.ignore_syncs_of(|path| path == Path::new("/data/log")));
}

#[test]
fn a_directory_that_is_not_synced_after_a_segment_was_renamed_is_noticed() {
    until_caught(|files| files.ignore_syncs_of(|path| path == Path::new("/data/objects")));
}

/// What a failed sync left in the page cache is served after a kill: it must have been written again.
#[test]
fn a_recovery_that_writes_nothing_again_is_noticed() {
    until_caught(|files| files.ignore_same_writes(true));
}

//! `rheos log check`: reads a data directory from end to end and says what it found.

use crate::batch::ParsedBatch;
use crate::engine::recovery::{Replay, newest_snapshot};
use crate::engine::root::Root;
use crate::engine::segment::Damage;
use crate::files::Files;
use crate::medium::OpenError;
use crate::medium::disk::{self, CheckedLog, Disk, DiskObjects, manifest, unfinished};
use crate::repair::{Lost, Plan, Survey};
use rheos_types::ShardKey;
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

/// What a check found.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// How often the log has been opened.
    pub generation: u64,
    /// Log files.
    pub log_files: usize,
    /// Batches that only the log files hold.
    pub batches: u64,
    /// The last batch.
    pub last_batch: u64,
    /// The log ends in an unacknowledged, unfinished write, which the next start drops.
    pub torn: bool,
    /// Snapshots that read well.
    pub snapshots: usize,
    /// Segments.
    pub segments: usize,
    /// Records in them that can be read.
    pub segment_records: u64,
    /// Keys of the catalog.
    pub keys: usize,
    /// Shards.
    pub shards: usize,
    /// Records of all shards that can be read, in segments or in the log.
    pub records: u64,
    /// Records that an earlier repair could not save, and said so.
    pub known_lost: Vec<Lost>,
    /// What is wrong. Empty: all is well.
    pub findings: Vec<Finding>,
}

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, as seen from the data directory.
    pub file: String,
    /// Where in the file, if it is a place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// What is wrong with it and what it means.
    pub what: String,
}

impl Finding {
    pub(crate) fn of(file: &str, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), offset: None, what: what.into() }
    }

    pub(crate) fn at(file: &str, offset: u64, what: impl Into<String>) -> Self {
        Self { offset: Some(offset), ..Self::of(file, what) }
    }

    /// A segment whose records were found without its directory.
    pub(crate) fn of_directory(file: &str) -> Self {
        Self::of(file, "its directory is damaged; its records were found without it")
    }

    /// Records of a shard that a segment does not give back.
    pub(crate) fn of_records(file: &str, shard: ShardKey, damage: Damage) -> Self {
        let Damage { offset, first, next } = damage;
        Self::at(file, offset, format!("positions {first} to {} of shard {shard} cannot be read", next - 1))
    }
}

/// How far something long has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// What is being read or written.
    pub doing: &'static str,
    /// Bytes done.
    pub done_bytes: u64,
    /// Bytes in all.
    pub total_bytes: u64,
}

/// Reads everything in `directory` and verifies every checksum. Changes nothing. The directory must not be in use.
///
/// # Errors
/// If the check itself cannot be made: the directory is in use, absent, or of a newer version. What is damaged is in the
/// report.
pub fn check(files: &Arc<dyn Files>, directory: &Path) -> Result<CheckReport, OpenError> {
    check_with(files, directory, &mut |_| {})
}

/// The same, telling `progress` how far it has come.
///
/// # Errors
/// As for [`check`].
pub fn check_with(
    files: &Arc<dyn Files>,
    directory: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<CheckReport, OpenError> {
    let _lock = lock(files, directory)?;
    let mut report = check_locked(files, directory, progress)?;
    if unfinished::read(&**files, directory)?.is_some() {
        let what = "a `rheos log repair` was interrupted: run it again, it finishes";
        report.findings.insert(0, Finding::of(unfinished::NAME, what));
    }
    Ok(report)
}

/// Keeps every other process out of a directory that is there, and neither a backup nor a part of what a restore makes of one:
/// what is missing of that is in the backup.
pub(crate) fn lock(files: &Arc<dyn Files>, directory: &Path) -> Result<Box<dyn Send + Sync>, OpenError> {
    unfinished::refuse(&**files, directory, |what| what.starts_with(unfinished::RESTORE))?;
    // Without a manifest, and without anything that a log has only with one, there is nothing to look into, and no lock file is
    // left behind.
    if files.open_read(&directory.join(manifest::NAME)).is_err()
        && let none @ OpenError::NoLog { .. } = Disk::without_manifest(files, directory)
    {
        return Err(none);
    }
    disk::lock(&**files, directory)
}

pub(crate) fn check_locked(
    files: &Arc<dyn Files>,
    directory: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<CheckReport, OpenError> {
    let mut report = CheckReport::default();
    let mut survey = Survey::take(files, directory, progress)?;
    let opening = opening(files, directory)?;
    let mut plan = Plan::make(&mut survey, files, directory, &mut |_| Ok(()));
    match opening {
        Ok(log) => {
            report.log_files = log.log_files;
            report.batches = log.batches;
            report.torn = log.torn;
        }
        Err(finding) => {
            report.log_files = survey.log_files.len();
            report.batches = survey.batches.values().filter(|found| found.whole).count() as u64;
            plan.add(finding);
        }
    }
    report.findings.extend(plan.findings().iter().cloned());
    report.generation = survey.generation;
    report.snapshots = survey.snapshots;
    report.segments = survey.segments.len();
    report.segment_records = survey
        .segments
        .iter()
        .flat_map(|segment| &segment.runs)
        .flat_map(|run| &run.readable)
        .map(|(first, next)| next - first)
        .sum();
    plan.describe(&mut report);
    Ok(report)
}

/// Reads the log as a start does: what would refuse it.
pub(crate) fn opening(files: &Arc<dyn Files>, directory: &Path) -> Result<Result<CheckedLog, Finding>, OpenError> {
    let objects = DiskObjects::new(files.clone(), directory);
    // Replayed as a start would, so that the check finds what a start refuses. Without a root or a snapshot to begin with
    // there is nothing to replay onto: that is found by others.
    let mut replay = None;
    let opening = Disk::check(files, directory, |root| {
        let root = Root::decode(root).ok();
        let covered = root.as_ref().map_or(u64::MAX - 1, Root::covered_upto);
        let begun = root.and_then(|root| Some((newest_snapshot(&objects, &root).ok()?, root)));
        replay = begun.map(|(snapshot, root)| Replay::new(snapshot, root.flushed_upto));
        (covered, |batch: &ParsedBatch, location| {
            replay.as_mut().map_or(Ok(()), |replay| replay.batch(batch, location))
        })
    });
    let opening = opening.and_then(|log| replay.map_or(Ok(()), |replay| replay.check_end()).map(|()| log));
    match opening {
        Ok(log) => Ok(Ok(log)),
        Err(OpenError::Corrupt { file, offset, what }) => {
            Ok(Err(Finding::at(&relative(&file, directory), offset, what)))
        }
        Err(OpenError::Missing { file }) => {
            Ok(Err(Finding::of(&relative(&file, directory), "missing, although the manifest names it")))
        }
        Err(OpenError::NoManifest { file }) => {
            Ok(Err(Finding::of(&relative(&file, directory), "missing, though there are files of a log")))
        }
        Err(error) => Err(error),
    }
}

fn relative(file: &str, directory: &Path) -> String {
    Path::new(file).strip_prefix(directory).map_or_else(|_| file.to_owned(), |path| path.display().to_string())
}

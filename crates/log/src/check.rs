//! `rheos log check`: reads a data directory from end to end and says what it found.

use crate::batch::ParsedBatch;
use crate::engine::recovery::{Replay, newest_snapshot};
use crate::engine::root::{Root, load_snapshot};
use crate::engine::segment::{self, OpenedSegment};
use crate::files::Files;
use crate::medium::disk::{Disk, DiskObjects};
use crate::medium::{Objects, OpenError};
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
    /// Records in them.
    pub segment_records: u64,
    /// What is wrong. Empty: all is well.
    pub findings: Vec<Finding>,
}

/// Something that is wrong.
#[derive(Debug)]
pub struct Finding {
    /// The file.
    pub file: String,
    /// What is wrong with it and what it means.
    pub what: String,
}

/// Reads everything in `directory` and verifies every checksum. Changes nothing. The directory must not be in use.
///
/// # Errors
/// If the check itself cannot be made: the directory is in use, absent, or of a newer version. What is damaged is in the
/// report.
pub fn check(files: &Arc<dyn Files>, directory: &Path) -> Result<CheckReport, OpenError> {
    let mut report = CheckReport::default();
    let objects = DiskObjects::new(files.clone(), directory);
    let mut decoded = Ok(Root::default());
    // Replayed as a start would, so that the check finds what a start refuses. Without a root or a snapshot to begin with
    // there is nothing to replay onto: that is what is found then.
    let mut replay = None;
    let log = Disk::check(&**files, directory, |root| {
        decoded = Root::decode(root);
        let covered = decoded.as_ref().map_or(u64::MAX - 1, Root::covered_upto);
        let begun = decoded.as_ref().ok().and_then(|root| Some((newest_snapshot(&objects, root).ok()?, root)));
        replay = begun.map(|(snapshot, root)| Replay::new(snapshot, root.flushed_upto));
        (covered, |batch: &ParsedBatch, location| {
            replay.as_mut().map_or(Ok(()), |replay| replay.batch(batch, location))
        })
    });
    let log = log.and_then(|log| replay.map_or(Ok(()), |replay| replay.check_end()).map(|()| log));
    match log {
        Ok(log) => {
            report.generation = log.generation;
            report.log_files = log.log_files;
            report.batches = log.batches;
            report.last_batch = log.last_batch;
            report.torn = log.torn;
        }
        Err(OpenError::Corrupt { file, offset, what }) => {
            report.findings.push(Finding { file, what: format!("damaged at offset {offset}: {what}") });
        }
        Err(OpenError::Missing { file }) if !file.ends_with("MANIFEST") => {
            report.findings.push(Finding { file, what: "missing, although the manifest names it".to_owned() });
        }
        Err(error) => return Err(error),
    }
    let root = match decoded {
        Ok(root) => root,
        Err(OpenError::Corrupt { file, what, .. }) => {
            report.findings.push(Finding { file, what });
            return Ok(report);
        }
        Err(error) => return Err(error),
    };
    for snapshot in &root.snapshots {
        match load_snapshot(&objects, snapshot) {
            Ok(_) => report.snapshots += 1,
            Err(error @ OpenError::Newer { .. }) => return Err(error),
            Err(error) => report.findings.push(Finding { file: object(&snapshot.name), what: error.to_string() }),
        }
    }
    for name in &root.segments {
        report.segments += 1;
        if let Err(error) = check_segment(&objects, name, &mut report)? {
            report.findings.push(Finding { file: object(name), what: error.to_string() });
        }
    }
    Ok(report)
}

fn object(name: &str) -> String {
    format!("objects/{name}")
}

fn check_segment(
    objects: &dyn Objects,
    name: &str,
    report: &mut CheckReport,
) -> Result<Result<(), std::io::Error>, OpenError> {
    let directory = match segment::open(objects, name) {
        Ok(OpenedSegment::Read(directory)) => directory,
        Ok(OpenedSegment::Newer { format }) => {
            return Err(OpenError::Newer { file: object(name), format: u32::from(format), features: 0 });
        }
        Err(error) => return Ok(Err(error)),
    };
    if directory.rebuilt {
        let what = "its directory is damaged; its records were found without it".to_owned();
        report.findings.push(Finding { file: object(name), what });
    }
    for run in directory.runs {
        report.segment_records += run.next - run.first;
        match run.verify(objects) {
            Ok(damages) => report.findings.extend(damages.into_iter().map(|damage| Finding {
                file: object(name),
                what: format!(
                    "damaged at offset {}: positions {} to {} of shard {} cannot be read",
                    damage.offset,
                    damage.first,
                    damage.next - 1,
                    run.shard
                ),
            })),
            Err(error) => return Ok(Err(error)),
        }
    }
    Ok(Ok(()))
}

//! `rheos backup` and `rheos restore`: a copy of a data directory, taken while its server runs, and back.

use std::sync::Arc;

use rheos_log::BackupError;
use rheos_log::files::{Files, SystemFiles};
use rheos_types::SystemRandom;
use serde_json::json;

use super::log::{because, cannot, end_progress, show_progress, text};
use crate::args::{Backup, Restore};
use crate::edge;
use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::reader::time::rfc3339;
use crate::units::{bytes, elapsed, grouped};

/// Files of a data directory that the log knows nothing of.
const EXTRAS: &[&str] = &["encryption-key.json", "root-credentials.json", "dev-ca.pem", "dev-ca-key.pem", "LOST"];

/// Copies a data directory.
pub(crate) fn backup(args: &Backup, out: &Output) -> Outcome {
    let files: Arc<dyn Files> = Arc::new(SystemFiles);
    let begun = edge::now();
    let now_ms = u64::try_from(edge::wall_ms()).unwrap_or(0);
    let taken = rheos_log::backup(&files, &args.data_dir, &args.target, EXTRAS, now_ms, &mut show_progress(out));
    end_progress(out);
    let taken = taken.map_err(|error| failed("back up", &args.data_dir, &error))?;
    let took = begun.elapsed();
    let rate = (taken.copied_bytes as f64 / took.as_secs_f64().max(0.001)) as u64;
    if out.data_is_for_people() {
        out.line(&format!("backup    {}, {} files", args.target.display(), taken.files))?;
        out.line(&format!(
            "copied    {} in {}, {}/s; {} were there already",
            bytes(taken.copied_bytes),
            elapsed(took),
            bytes(rate),
            bytes(taken.reused_bytes)
        ))?;
        let last = grouped(taken.last_batch);
        out.line(&format!("contains  everything acknowledged before {}, up to batch {last}", rfc3339(now_ms as i64)))?;
        out.line("keys      encryption-key.json and root-credentials.json are in it, if there are any: keep it safe")?;
    } else {
        let line = json!({
            "backup": args.target, "files": taken.files, "copied_bytes": taken.copied_bytes,
            "reused_bytes": taken.reused_bytes, "seconds": took.as_secs_f64(), "last_batch": taken.last_batch,
            "began_ms": now_ms, "findings": taken.findings,
        });
        out.line(&line.to_string())?;
    }
    for finding in &taken.findings {
        out.note(&text(finding, out));
    }
    match taken.findings.len() {
        0 => Ok(()),
        count => {
            Err(Failure::new(format!("the backup is whole, but {count} part(s) were damaged before it was taken"))
                .hint("stop the server and run `rheos log check`"))
        }
    }
}

/// Makes a data directory of a backup.
pub(crate) fn restore(args: &Restore, out: &Output) -> Outcome {
    let files: Arc<dyn Files> = Arc::new(SystemFiles);
    let begun = edge::now();
    let restored = rheos_log::restore(&files, &args.source, &args.target, &SystemRandom, &mut show_progress(out));
    end_progress(out);
    let restored = restored.map_err(|error| failed("restore", &args.source, &error))?;
    let took = begun.elapsed();
    let taken = rfc3339(i64::try_from(restored.began_ms).unwrap_or(0));
    if out.data_is_for_people() {
        out.line(&format!("restored  {} from the backup of {taken}", args.target.display()))?;
        out.line(&format!("verified  {} in {}", bytes(restored.bytes), elapsed(took)))?;
        out.line(&format!(
            "contains  {} records of {} shards",
            grouped(restored.records),
            grouped(restored.shards as u64)
        ))?;
        if !restored.extras.is_empty() {
            out.line(&format!("also      {}", restored.extras.join(", ")))?;
        }
        out.line(&format!("start it  rheos serve --data-dir {}", args.target.display()))?;
    } else {
        let line = json!({
            "restored": args.target, "began_ms": restored.began_ms, "bytes": restored.bytes,
            "seconds": took.as_secs_f64(), "records": restored.records, "shards": restored.shards,
            "last_batch": restored.last_batch, "extras": restored.extras, "findings": restored.findings,
        });
        out.line(&line.to_string())?;
    }
    for finding in &restored.findings {
        out.note(&text(finding, out));
    }
    match restored.findings.len() {
        0 => Ok(()),
        count => Err(Failure::new(format!("restored, but {count} part(s) were damaged before the backup was taken"))
            .hint("the rest can be served; `rheos log repair` names what is lost and makes the directory whole")),
    }
}

fn failed(what: &str, directory: &std::path::Path, error: &BackupError) -> Failure {
    match error {
        BackupError::Open(error) => cannot(what, directory, error),
        error => {
            let failure = because(what, directory, error);
            match error {
                BackupError::Damaged { .. } => {
                    failure.hint("another copy of the backup may be whole; nothing was opened")
                }
                _ => failure,
            }
        }
    }
}

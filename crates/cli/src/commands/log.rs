//! `rheos log check`: reads a data directory from end to end and reports.

use std::sync::Arc;

use rheos_log::files::{Files, SystemFiles};
use rheos_log::{CheckReport, OpenError};
use serde_json::json;

use crate::args::LogCommand;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Style};
use crate::units::grouped;

/// Looks into a data directory.
pub(crate) fn run(args: LogCommand, out: &Output) -> Outcome {
    let LogCommand::Check(args) = args;
    let files: Arc<dyn Files> = Arc::new(SystemFiles);
    let directory = args.data_dir.display();
    let report = match rheos_log::check(&files, &args.data_dir) {
        Ok(report) => report,
        Err(error @ OpenError::Io { .. }) => {
            let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
            return Err(Failure::new(format!("cannot check {directory}: {error}{cause}")));
        }
        Err(error) => return Err(Failure::new(format!("cannot check {directory}: {error}"))),
    };
    if out.data_is_for_people() {
        for line in facts(&report) {
            out.line(&line)?;
        }
        for finding in &report.findings {
            out.line(&format!("{}  {}: {}", out.paint(Style::Red, "damage"), finding.file, finding.what))?;
        }
    } else {
        out.line(&as_json(&report).to_string())?;
    }
    match report.findings.len() {
        0 => Ok(()),
        count => Err(Failure::new(format!("{directory} has {count} damaged or missing part(s)"))
            .hint("keep a copy of the directory before anything else; a log file is restored whole, from a copy")),
    }
}

fn facts(report: &CheckReport) -> Vec<String> {
    let end = if report.torn { ", then an unfinished write that was never acknowledged" } else { "" };
    vec![
        format!(
            "log       {} files, {} batches up to number {}{end}",
            report.log_files,
            grouped(report.batches),
            grouped(report.last_batch)
        ),
        format!("segments  {} with {} records", report.segments, grouped(report.segment_records)),
        format!("snapshots {} readable", report.snapshots),
        format!("opened    {} times", grouped(report.generation)),
    ]
}

fn as_json(report: &CheckReport) -> serde_json::Value {
    let findings: Vec<_> =
        report.findings.iter().map(|finding| json!({ "file": finding.file, "what": finding.what })).collect();
    json!({
        "generation": report.generation,
        "log_files": report.log_files,
        "batches": report.batches,
        "last_batch": report.last_batch,
        "torn": report.torn,
        "segments": report.segments,
        "segment_records": report.segment_records,
        "snapshots": report.snapshots,
        "findings": findings,
    })
}

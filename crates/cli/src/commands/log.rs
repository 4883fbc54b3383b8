//! `rheos log check` and `rheos log repair`: read a data directory from end to end, report, and repair.

use std::sync::Arc;

use rheos_log::files::{Files, SystemFiles};
use rheos_log::{CheckReport, Finding, Kept, Lost, OpenError, Plan, Progress, Repair, RepairError};
use serde_json::json;

use crate::args::{LogCheck, LogCommand, LogRepair};
use crate::edge;
use crate::failure::{Failure, Outcome};
use crate::output::{Output, Style, somebody_can_answer};
use crate::reader::time::rfc3339;
use crate::units::{bytes, grouped};

/// Lost ranges that are shown one by one.
const SHOWN: usize = 20;

/// Looks into a data directory.
pub(crate) fn run(args: LogCommand, out: &Output) -> Outcome {
    match args {
        LogCommand::Check(args) => check(&args, out),
        LogCommand::Repair(args) => repair(&args, out),
    }
}

/// Shows how far something long has come, where somebody watches; at most ten times a second.
pub(super) fn show_progress(out: &Output) -> impl FnMut(Progress) {
    let (out, begun) = (*out, edge::now());
    let mut shown = begun;
    move |progress: Progress| {
        if !out.progress_is_watched() || shown.elapsed().as_millis() < 100 {
            return;
        }
        shown = edge::now();
        let (done, total) = (progress.done_bytes, progress.total_bytes.max(progress.done_bytes));
        let rate = done as f64 / begun.elapsed().as_secs_f64().max(0.001);
        out.progress(&format!(
            "\r{:<12} {} of {}, {}/s\x1b[K",
            progress.doing,
            bytes(done),
            bytes(total),
            bytes(rate as u64)
        ));
    }
}

/// Takes the line of progress away again.
pub(super) fn end_progress(out: &Output) {
    if out.progress_is_watched() {
        out.progress("\r\x1b[K");
    }
}

fn check(args: &LogCheck, out: &Output) -> Outcome {
    let files: Arc<dyn Files> = Arc::new(SystemFiles);
    let directory = args.data_dir.display();
    let report = rheos_log::check_with(&files, &args.data_dir, &mut show_progress(out));
    end_progress(out);
    let report = report.map_err(|error| cannot("check", &args.data_dir, &error))?;
    if out.data_is_for_people() {
        for line in facts(&report) {
            out.line(&line)?;
        }
        for finding in &report.findings {
            out.line(&text(finding, out))?;
        }
    } else {
        out.line(&as_json(&report).to_string())?;
    }
    match report.findings.len() {
        0 => Ok(()),
        count => Err(Failure::new(format!("{directory} has {count} damaged or missing part(s)"))
            .hint("keep a copy of the directory; then `rheos log repair --dry-run` says what a repair would lose")),
    }
}

/// What was not done to a directory, and why.
pub(super) fn because(what: &str, directory: &std::path::Path, error: &dyn std::error::Error) -> Failure {
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    Failure::new(format!("cannot {what} {}: {error}{cause}", directory.display()))
}

pub(super) fn cannot(what: &str, directory: &std::path::Path, error: &OpenError) -> Failure {
    let failure = because(what, directory, error);
    match error {
        OpenError::NoLog { .. } => failure.hint("name the data directory of a server with --data-dir"),
        _ => failure,
    }
}

/// A finding as people read it.
pub(super) fn text(finding: &Finding, out: &Output) -> String {
    let damage = out.paint(Style::Red, "damage");
    match finding.offset {
        Some(offset) => format!("{damage}  {} at offset {offset}: {}", finding.file, finding.what),
        None => format!("{damage}  {}: {}", finding.file, finding.what),
    }
}

/// Batches from the first to the last, in words.
fn batches((first, last): &(u64, u64)) -> String {
    if first == last { format!("batch {first}") } else { format!("batches {first} to {last}") }
}

fn facts(report: &CheckReport) -> Vec<String> {
    let end = if report.torn { ", then an unfinished write that was never acknowledged" } else { "" };
    let mut facts = vec![
        format!(
            "log       {} files, {} batches up to number {}{end}",
            report.log_files,
            grouped(report.batches),
            grouped(report.last_batch)
        ),
        format!("segments  {} with {} records", report.segments, grouped(report.segment_records)),
        format!("snapshots {} readable", report.snapshots),
        format!("catalog   {} keys, {} shards", grouped(report.keys as u64), grouped(report.shards as u64)),
        format!("records   {} can be read", grouped(report.records)),
        format!("opened    {} times", grouped(report.generation)),
    ];
    let known: u64 = report.known_lost.iter().filter(|lost| !lost.passed_over).map(|lost| lost.next - lost.first).sum();
    if !report.known_lost.is_empty() {
        facts.push(format!("lost      {} records, which an earlier repair named (LOST)", grouped(known)));
    }
    facts
}

fn as_json(report: &CheckReport) -> serde_json::Value {
    json!({
        "generation": report.generation,
        "log_files": report.log_files,
        "batches": report.batches,
        "last_batch": report.last_batch,
        "torn": report.torn,
        "segments": report.segments,
        "segment_records": report.segment_records,
        "snapshots": report.snapshots,
        "keys": report.keys,
        "shards": report.shards,
        "records": report.records,
        "known_lost": report.known_lost,
        "findings": report.findings,
    })
}

fn repair(args: &LogRepair, out: &Output) -> Outcome {
    let files: Arc<dyn Files> = Arc::new(SystemFiles);
    let directory = args.data_dir.display();
    let mut consistent = |kept: &Kept| rheos_streams::consistent(&kept.catalog, &kept.shards);
    let planned = Repair::plan(&files, &args.data_dir, &mut consistent, &mut show_progress(out));
    end_progress(out);
    let repair = planned.map_err(|error| failed(args, &error))?;
    if !repair.is_needed().map_err(|error| failed(args, &error))? {
        out.note(&format!("{directory} is healthy: there is nothing to repair, and nothing was changed"));
        return Ok(());
    }
    if out.data_is_for_people() {
        for line in describe(repair.what(), out) {
            out.line(&line)?;
        }
    } else {
        out.line(&plan_as_json(repair.what()).to_string())?;
    }
    if args.dry_run {
        return Ok(());
    }
    if !args.yes {
        if !somebody_can_answer() {
            let message = format!("{directory} was not repaired: nobody can be asked");
            return Err(Failure::usage(message).hint("--yes repairs it"));
        }
        if !out.ask("Repair the directory? The old files are kept beside.")? {
            return Err(Failure::new("nothing was changed"));
        }
    }
    let aside = format!("repaired-{}", compact_time(edge::wall_ms()));
    let repaired = repair.apply(&aside, &mut show_progress(out));
    end_progress(out);
    let repaired = repaired.map_err(|error| failed(args, &error))?;
    out.note(&format!(
        "{} {directory}: {} records can be read; {} old files are in {}",
        out.paint(Style::Green, "repaired"),
        grouped(repaired.records),
        repaired.moved,
        args.data_dir.join(&repaired.aside).display()
    ));
    Ok(())
}

fn failed(args: &LogRepair, error: &RepairError) -> Failure {
    match error {
        RepairError::Open(error) => cannot("repair", &args.data_dir, error),
        error => {
            let failure = because("repair", &args.data_dir, error);
            match error {
                RepairError::Io { .. } => failure.hint("run it again: it finishes what it began"),
                _ => failure,
            }
        }
    }
}

/// `2026-11-29T08:30:00.000Z` as `20261129T083000Z`.
fn compact_time(ms: i64) -> String {
    let text = rfc3339(ms);
    let seconds = text.split('.').next().unwrap_or(&text).trim_end_matches('Z');
    format!("{}Z", seconds.replace(['-', ':'], ""))
}

fn describe(plan: &Plan, out: &Output) -> Vec<String> {
    let names = rheos_streams::shard_names(&plan.kept().catalog);
    let mut lines: Vec<String> = plan.findings().iter().map(|found| text(found, out)).collect();
    let lost = plan.lost_now();
    let name =
        |lost: &Lost| names.get(&lost.shard).cloned().unwrap_or_else(|| format!("shard {} of the log", lost.shard));
    let (passed, gone): (Vec<&Lost>, Vec<&Lost>) = lost.iter().partition(|lost| lost.passed_over);
    let records: u64 = gone.iter().map(|lost| lost.next - lost.first).sum();
    let label = out.paint(Style::Bold, "lost");
    if records == 0 {
        lines.push(format!("{label}    no record that is known of"));
    } else {
        lines.push(format!("{label}    {} records:", grouped(records)));
    }
    for lost in gone.iter().take(SHOWN) {
        let after = if lost.after_ms == 0 { "its beginning".to_owned() } else { rfc3339(lost.after_ms as i64) };
        let before = lost.before_ms.map_or_else(|| "its end".to_owned(), |ms| rfc3339(ms as i64));
        lines.push(format!(
            "        {}: positions {} to {} ({} records), between {after} and {before}",
            name(lost),
            lost.first,
            lost.next - 1,
            grouped(lost.next - lost.first)
        ));
    }
    if gone.len() > SHOWN {
        lines.push(format!("        and {} more; in a pipe all are listed", gone.len() - SHOWN));
    }
    if !passed.is_empty() {
        lines.push(format!(
            "        and perhaps the last records of {} open shards: batches of unknown contents are lost. The positions that these may have had are passed over, so that none is given twice",
            passed.len()
        ));
    }
    lines.extend(plan.batches_lost().iter().map(|lost| format!("        {} of the log", batches(lost))));
    for which in plan.changes_lost().iter().map(batches) {
        lines.push(format!(
            "        changes of streams (tags, retention, consumers and such), if {which} had any; what follows fits together without them and is kept"
        ));
    }
    if let Some(cut) = plan.cut() {
        lines.push(format!(
            "{}     everything after batch {}: {} batches with {} records that can be read, because {}",
            out.paint(Style::Red, "cut"),
            cut.after_batch,
            grouped(cut.batches),
            grouped(cut.records),
            cut.why
        ));
    }
    lines.push(format!("{}    {} records", out.paint(Style::Bold, "kept"), grouped(plan.records())));
    lines
}

fn plan_as_json(plan: &Plan) -> serde_json::Value {
    let names = rheos_streams::shard_names(&plan.kept().catalog);
    let lost: Vec<_> = plan
        .lost_now()
        .into_iter()
        .map(|lost| {
            let name = names.get(&lost.shard);
            json!({ "shard": name, "key": lost.shard, "first": lost.first, "next": lost.next,
                    "after_ms": lost.after_ms, "before_ms": lost.before_ms, "passed_over": lost.passed_over })
        })
        .collect();
    let cut = plan.cut().map(
        |cut| json!({ "after_batch": cut.after_batch, "batches": cut.batches, "records": cut.records, "why": cut.why }),
    );
    json!({
        "findings": plan.findings(),
        "lost": lost,
        "batches_lost": plan.batches_lost(),
        "changes_lost": plan.changes_lost(),
        "cut": cut,
        "records": plan.records(),
    })
}

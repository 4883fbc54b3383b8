//! `cargo xtask coverage`: how much of the API the server's tests use, from the service model and from what the test kit
//! wrote down (`testkit/src/coverage.rs`), and the table of it that stands in `docs/coverage.md`.
//!
//! A run of the server's tests with `RHEOS_COVERAGE` leaves a folder of records. The step `rust` of `cargo xtask test` is
//! such a run, so that the step `coverage` after it runs no test again.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::codegen::model::Model;
use crate::marks::Marked;
use crate::workspace::{cargo, read, root, run as execute, target};

const DOCUMENT: &str = "docs/coverage.md";
const SUCCESS: u16 = 200;
/// What a trial run that would have succeeded is answered.
const WOULD_HAVE: &str = "DryRunOperationException";

/// Errors that the model declares and that nothing can bring about, with why. `docs/coverage.md` says so too.
const CAUSELESS: &[(&str, &str)] = &[
    // Its one member has two values, and the model knows both: any other is a ValidationException.
    ("UpdateAccountSettings", "InvalidArgumentException"),
];

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write the table into docs/coverage.md instead of comparing it
    #[arg(long)]
    write: bool,
    /// Run no test, but take what an earlier run with RHEOS_COVERAGE has left in this folder
    #[arg(long, value_name = "FOLDER")]
    records: Option<PathBuf>,
}

impl Options {
    /// What `cargo xtask test` runs.
    pub(crate) const CHECK: Self = Self { write: false, records: None };
}

/// A command that runs tests, and that leaves records for [`run`] in this process.
pub(crate) fn recorded(command: &mut Command) -> anyhow::Result<&mut Command> {
    let all = target().join("coverage");
    // Also those of processes before.
    if all.exists() {
        std::fs::remove_dir_all(&all).with_context(|| format!("cannot remove {}", all.display()))?;
    }
    let folder = records();
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(command.env("RHEOS_COVERAGE", folder))
}

/// Where this process leaves and finds records.
fn records() -> PathBuf {
    target().join("coverage").join(std::process::id().to_string())
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let model = Model::parse(&read(&root().join("crates/wire/models/kinesis.json"))?)?;
    let calls = match &options.records {
        Some(folder) => read_calls(folder)?,
        None => {
            if !records().exists() {
                execute(recorded(cargo().args(["test", "--package", "rheos-server"]))?)?;
            }
            read_calls(&records())?
        }
    };
    let rows = rows(&model, &calls)?;
    let typed: BTreeSet<_> = model.typed_operations().map(|(name, _)| name).collect();
    let holes: Vec<_> = rows.iter().filter(|row| typed.contains(&row.operation)).flat_map(Row::holes).collect();
    let document = root().join(DOCUMENT);
    let marked = Marked { document: &document, command: "cargo xtask coverage --write", table: &table(&rows)? };
    let placed = marked.place(options.write, |_, _| false);
    ensure!(holes.is_empty(), "no test of the server shows:\n  {}", holes.join("\n  "));
    placed
}

/// A kind of call that a test has made.
#[derive(Deserialize)]
struct Call {
    operation: String,
    protocol: String,
    members: Vec<String>,
    status: u16,
    errors: Vec<String>,
}

impl Call {
    fn has_succeeded(&self) -> bool {
        self.status == SUCCESS || self.errors.iter().any(|error| error == WOULD_HAVE)
    }
}

fn read_calls(folder: &Path) -> anyhow::Result<Vec<Call>> {
    let mut calls = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))? {
        let path = entry?.path();
        for line in read(&path)?.lines() {
            calls.push(serde_json::from_str(line).with_context(|| format!("a line of {}", path.display()))?);
        }
    }
    Ok(calls)
}

/// An operation: what there is to show of it, and what no test shows.
struct Row {
    operation: String,
    is_implemented: bool,
    members: Shown,
    errors: Shown,
    json: bool,
    cbor: bool,
}

/// Of so many things, those that are not shown.
struct Shown {
    count: usize,
    missing: Vec<String>,
    /// Those that cannot be shown, and are not counted.
    causeless: Vec<String>,
}

impl Shown {
    fn of(all: Vec<String>, seen: &BTreeSet<&str>) -> Self {
        let count = all.len();
        let missing = all.into_iter().filter(|one| !seen.contains(one.as_str())).collect();
        Self { count, missing, causeless: Vec::new() }
    }

    /// The same without those of [`CAUSELESS`]. One that is shown after all is counted as any.
    fn without_causeless(mut self, operation: &str) -> Self {
        let is_causeless = |error: &String| CAUSELESS.contains(&(operation, error.as_str()));
        (self.causeless, self.missing) = self.missing.into_iter().partition(is_causeless);
        self.count -= self.causeless.len();
        self
    }

    fn cell(&self) -> String {
        let (count, shown) = (self.count, self.count - self.missing.len());
        let cell = match self.missing.as_slice() {
            _ if count == 0 => "none".to_owned(),
            missing if missing.is_empty() || shown == 0 => format!("{shown} of {count}"),
            missing => format!("{shown} of {count}; not {}", missing.join(", ")),
        };
        match self.causeless.as_slice() {
            [] => cell,
            causeless => format!("{cell}; {} cannot be had", causeless.join(", ")),
        }
    }
}

impl Row {
    fn holes(&self) -> Vec<String> {
        let operation = &self.operation;
        if !self.is_implemented {
            return vec![format!("{operation}: that it is implemented")];
        }
        let mut holes = Vec::new();
        holes.extend(self.members.missing.iter().map(|member| format!("{operation}: that it takes {member}")));
        holes.extend(self.errors.missing.iter().map(|error| format!("{operation}: what {error} is answered to")));
        for (protocol, is_shown) in [("JSON", self.json), ("CBOR", self.cbor)] {
            if !is_shown {
                holes.push(format!("{operation}: that it succeeds in {protocol}"));
            }
        }
        holes
    }
}

fn rows(model: &Model, calls: &[Call]) -> anyhow::Result<Vec<Row>> {
    let mut by_operation: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for call in calls {
        by_operation.entry(&call.operation).or_default().push(call);
    }
    let row = |name: &String, input: &str, declared: Vec<String>| {
        let calls = by_operation.get(name.as_str()).map(Vec::as_slice).unwrap_or_default();
        let good = || calls.iter().filter(|call| call.has_succeeded());
        let is_known = |call: &&Call| call.errors.iter().all(|error| error != "UnknownOperationException");
        let used = good().flat_map(|call| &call.members).map(String::as_str).collect();
        let made = calls.iter().flat_map(|call| &call.errors).map(String::as_str).collect();
        let mut members = Vec::new();
        collect(model, input, "", &mut members)?;
        anyhow::Ok(Row {
            operation: name.clone(),
            is_implemented: good().next().is_some() && calls.iter().all(is_known),
            members: Shown::of(members, &used),
            errors: Shown::of(declared, &made).without_causeless(name),
            json: good().any(|call| call.protocol == "JSON"),
            cbor: good().any(|call| call.protocol == "CBOR"),
        })
    };
    let mut rows = Vec::new();
    for (name, operation) in &model.operations.0 {
        let declared = operation.errors.iter().map(|error| error.shape.clone());
        // Who may do what, and keys that are kept elsewhere, are for other tests.
        let declared = declared.filter(|error| error != "AccessDeniedException" && !error.starts_with("KMS"));
        rows.push(row(name, &operation.input.shape, declared.collect())?);
    }
    rows.sort_by(|one, other| one.operation.cmp(&other.operation));
    Ok(rows)
}

/// The paths of all members below a shape, as the test kit writes them.
fn collect(model: &Model, shape: &str, path: &str, paths: &mut Vec<String>) -> anyhow::Result<()> {
    let shape = model.shape(shape)?;
    for (name, member) in &shape.members.0 {
        let dot = if path.is_empty() { "" } else { "." };
        let path = format!("{path}{dot}{name}");
        paths.push(path.clone());
        collect(model, &member.shape, &path, paths)?;
    }
    match &shape.member {
        Some(item) => collect(model, &item.shape, &format!("{path}[]"), paths),
        None => Ok(()),
    }
}

fn table(rows: &[Row]) -> anyhow::Result<String> {
    let mut out = String::from("| Operation | Implemented | Input members | Errors | JSON | CBOR |\n");
    out.push_str("| --- | --- | --- | --- | --- | --- |\n");
    let mark = |is_shown: bool| if is_shown { "yes" } else { "no" };
    for row in rows {
        let Row { operation, is_implemented, members, errors, json, cbor } = row;
        if !is_implemented {
            writeln!(out, "| {operation} | no | | | | |")?;
            continue;
        }
        let (members, errors) = (members.cell(), errors.cell());
        writeln!(out, "| {operation} | yes | {members} | {errors} | {} | {} |", mark(*json), mark(*cbor))?;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = r#"{
        "operations": {"Put": {"input": {"shape": "In"}, "errors": [
            {"shape": "AccessDeniedException"}, {"shape": "KMSDisabledException"}, {"shape": "LimitExceededException"},
            {"shape": "DryRunOperationException"}]}},
        "shapes": {
            "In": {"type": "structure", "members": {"Name": {"shape": "Text"}, "Items": {"shape": "Items"}}},
            "Items": {"type": "list", "member": {"shape": "Item"}},
            "Item": {"type": "structure", "members": {"Key": {"shape": "Text"}}},
            "Text": {"type": "string"}}}"#;

    fn row(calls: &[&str]) -> Row {
        let model = Model::parse(MODEL).unwrap();
        let calls: Vec<Call> = calls.iter().map(|call| serde_json::from_str(call).unwrap()).collect();
        rows(&model, &calls).unwrap().remove(0)
    }

    #[test]
    fn what_no_test_shows_is_named() {
        let refused = r#"{"operation": "Put", "protocol": "CBOR", "members": ["Name"], "status": 400,
                          "errors": ["LimitExceededException"]}"#;
        let done = r#"{"operation": "Put", "protocol": "JSON", "members": ["Items"], "status": 200, "errors": []}"#;
        let row = row(&[refused, done]);
        assert_eq!(
            row.holes(),
            [
                "Put: that it takes Name",
                "Put: that it takes Items[].Key",
                "Put: what DryRunOperationException is answered to",
                "Put: that it succeeds in CBOR"
            ]
        );
        let line = "| Put | yes | 1 of 3; not Name, Items[].Key | 1 of 2; not DryRunOperationException | yes | no |\n";
        assert!(table(&[row]).unwrap().ends_with(line));
    }

    #[test]
    fn a_trial_run_that_would_have_succeeded_has_used_its_members() {
        let tried = r#"{"operation": "Put", "protocol": "CBOR", "members": ["Items[].Key"], "status": 400,
                        "errors": ["DryRunOperationException"]}"#;
        let row = row(&[tried]);
        assert!(row.is_implemented && row.cbor && !row.json);
        assert_eq!(row.members.cell(), "1 of 3; not Name, Items");
    }

    #[test]
    fn what_cannot_be_had_is_named_and_not_counted() {
        let (operation, error) = CAUSELESS[0];
        let all = || vec![error.to_owned(), "LimitExceededException".to_owned()];
        let shown = Shown::of(all(), &BTreeSet::from(["LimitExceededException"])).without_causeless(operation);
        assert_eq!((shown.cell(), shown.missing.len()), (format!("1 of 1; {error} cannot be had"), 0));
        let shown = Shown::of(all(), &BTreeSet::from([error])).without_causeless(operation);
        assert_eq!(shown.cell(), "1 of 2; not LimitExceededException");
    }

    #[test]
    fn an_operation_that_is_once_unknown_is_not_implemented() {
        let done = r#"{"operation": "Put", "protocol": "JSON", "members": [], "status": 200, "errors": []}"#;
        let unknown = r#"{"operation": "Put", "protocol": "JSON", "members": [], "status": 400,
                          "errors": ["UnknownOperationException"]}"#;
        assert!(row(&[done]).is_implemented);
        assert!(!row(&[done, unknown]).is_implemented && !row(&[]).is_implemented);
        assert_eq!(row(&[]).holes(), ["Put: that it is implemented"]);
    }
}

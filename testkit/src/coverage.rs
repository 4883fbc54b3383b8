//! What the calls of tests use of the API, written down for `cargo xtask coverage`.
//!
//! Where the environment names a directory in `RHEOS_COVERAGE`, each process adds a file of its own to it, with one line
//! of JSON for each kind of call that has been made. Elsewhere nothing happens. What is no call of an operation of the
//! model, because a test has spoilt it, says nothing about the API and is left out.

use std::collections::{BTreeSet, HashSet};
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};

use rheos_wire::shape::{Kind, Shape};
use rheos_wire::{ErrorCode, Operation, Protocol};
use serde_json::{Value, json};

use crate::{Answer, Call, Frame};

/// Operations that declare that they are throttled, and for which the service publishes no rate.
const HAVE_NO_RATE: [Operation; 2] =
    [Operation::UpdateMaxRecordSize, Operation::UpdateStreamRecordDistributionStrategy];

/// The file, and the lines that are in it.
struct Record {
    file: File,
    known: HashSet<String>,
}

static RECORD: OnceLock<Option<Mutex<Record>>> = OnceLock::new();

/// Writes down a call and its answer.
pub(crate) fn note(call: &Call, answer: &Answer) {
    if let Some(record) = record()
        && let Some((operation, protocol, body)) = call.asked()
    {
        let said = answer.value();
        let mut errors = errors(&said);
        // Of faults on purpose only those count that a server in good health has no other cause for.
        if !answer.header("x-rheos-chaos").is_empty() {
            let causeless = if HAVE_NO_RATE.contains(&operation) {
                ErrorCode::LimitExceeded
            } else {
                ErrorCode::InternalFailureException
            };
            errors.retain(|error| *error == causeless.wire_name());
        }
        add(record, operation, protocol, &members(operation.input(), &body), answer.status, &errors);
    }
}

/// Writes down a call that is answered with a stream of events.
pub(crate) fn note_stream(call: &Call) {
    if let Some(record) = record()
        && let Some((operation, protocol, body)) = call.asked()
    {
        add(record, operation, protocol, &members(operation.input(), &body), 200, &[]);
    }
}

/// Writes down an error inside of a stream of events, which are those of one operation.
pub(crate) fn note_frame(frame: &Frame) {
    if let Some(record) = record()
        && frame.headers[":message-type"] == "exception"
    {
        let nothing = BTreeSet::new();
        add(record, Operation::SubscribeToShard, Protocol::Json, &nothing, 400, &[frame.kind()]);
    }
}

fn record() -> Option<&'static Mutex<Record>> {
    RECORD.get_or_init(|| std::env::var_os("RHEOS_COVERAGE").map(|folder| open(Path::new(&folder)))).as_ref()
}

#[expect(clippy::disallowed_methods, reason = "this is about the tests, and no part of what they test")]
fn open(folder: &Path) -> Mutex<Record> {
    let path = folder.join(format!("{}.jsonl", std::process::id()));
    let file = OpenOptions::new().create(true).append(true).open(&path);
    let file = file.unwrap_or_else(|error| panic!("cannot write {}: {error}", path.display()));
    Mutex::new(Record { file, known: HashSet::new() })
}

fn add(
    record: &Mutex<Record>,
    operation: Operation,
    protocol: Protocol,
    members: &BTreeSet<String>,
    status: u16,
    errors: &[&str],
) {
    let protocol = match protocol {
        Protocol::Json => "JSON",
        Protocol::Cbor => "CBOR",
    };
    let line = json!({
        "operation": operation.name(), "protocol": protocol, "members": members, "status": status, "errors": errors,
    });
    let line = format!("{line}\n");
    let mut record = record.lock().unwrap_or_else(PoisonError::into_inner);
    if record.known.insert(line.clone()) {
        record.file.write_all(line.as_bytes()).expect("the record of calls can be written");
    }
}

/// The error of an answer, or those of its entries.
fn errors(said: &Value) -> Vec<&str> {
    let entries = said["Records"].as_array().map(Vec::as_slice).unwrap_or_default();
    let entries = entries.iter().filter_map(|entry| entry["ErrorCode"].as_str());
    let all: BTreeSet<&str> = said["__type"].as_str().into_iter().chain(entries).collect();
    all.into_iter().collect()
}

/// The members of an input that a body has: `Records`, `Records[].Data`.
fn members(shape: &Shape, body: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    collect(shape, body, "", &mut found);
    found
}

fn collect(shape: &Shape, value: &Value, path: &str, found: &mut BTreeSet<String>) {
    match shape.kind {
        Kind::Structure(members) => {
            for member in members {
                let value = &value[member.name];
                if !value.is_null() {
                    let dot = if path.is_empty() { "" } else { "." };
                    let path = format!("{path}{dot}{}", member.name);
                    collect(member.shape, value, &path, found);
                    found.insert(path);
                }
            }
        }
        Kind::List(item) => {
            for value in value.as_array().into_iter().flatten() {
                collect(item, value, &format!("{path}[]"), found);
            }
        }
        // The keys of a map are the caller's.
        Kind::Map(..)
        | Kind::String
        | Kind::Integer
        | Kind::Long
        | Kind::Double
        | Kind::Boolean
        | Kind::Timestamp
        | Kind::Blob => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_go_by_their_paths() {
        let body = json!({"StreamName": "s", "Records": [{"Data": "", "PartitionKey": null}, {"ExplicitHashKey": "0"}],
                          "Nonsense": 1});
        let found = members(Operation::PutRecords.input(), &body);
        let expected = ["Records", "Records[].Data", "Records[].ExplicitHashKey", "StreamName"];
        assert!(found.iter().eq(expected.iter()), "{found:?}");
        let tagged = members(Operation::AddTagsToStream.input(), &json!({"Tags": {"a": "b"}}));
        assert!(tagged.iter().eq(["Tags"].iter()), "{tagged:?}");
    }

    #[test]
    fn errors_are_those_of_the_answer_and_of_its_entries() {
        assert_eq!(errors(&json!({"__type": "A", "message": "b"})), ["A"]);
        assert_eq!(errors(&json!({"Records": [{"ErrorCode": "A"}, {"ShardId": "x"}, {"ErrorCode": "A"}]})), ["A"]);
        assert!(errors(&json!({"Records": [{"Data": ""}]})).is_empty());
    }
}

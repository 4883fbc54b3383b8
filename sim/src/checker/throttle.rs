//! Throttling: only when due. Who is told that a rate is exceeded must have exceeded it, by a recount of our own.
//!
//! A server that counts by buckets which hold what a second allows and drain at that rate refuses only if, in some window
//! up to now, more was used than the rate allows in the window and one second more. When exactly a call was counted is
//! not known: at some time between its begin and its end, and if its outcome is unknown up to [`LATE_MS`] after that. So
//! the recount takes whatever may have been counted in a window, and the shortest time that the window can have lasted:
//! the tolerance is what follows from that, and no more. What only the memory or the disk of the server refuses is said
//! in other words, and is no matter of rates.

use std::collections::BTreeMap;

use rheos_types::limits::{Call as Counted, Profile};
use serde_json::Value;

use super::Findings;
use super::model::{Model, Shard};
use crate::history::{Call, Outcome, data, list, text};

/// Bytes that a shard takes in a second.
const WRITE_BYTES_PER_S: u64 = 1 << 20;
/// Records that a shard takes in a second.
const WRITE_RECORDS_PER_S: u64 = 1_000;
/// Bytes of records that a shard gives in a second; whoever was given more waits until that is paid, up to five seconds.
const READ_BYTES_PER_S: u64 = 2 << 20;
/// A call that nobody waits for any more may still be under way for so long.
const LATE_MS: u64 = 60_000;
/// How a refusal for a rate begins.
const RATE: &str = "Rate exceeded for";

/// Something that counts against a rate.
struct Use {
    begun_ms: u64,
    ended_ms: u64,
    amount: u64,
}

impl Use {
    fn of(call: &Call, amount: u64) -> Self {
        let late_ms = if call.outcome == Outcome::Unknown { LATE_MS } else { 0 };
        Self { begun_ms: call.begun_ms, ended_ms: call.ended_ms + late_ms, amount }
    }
}

/// Whether a call that was refused may have been, for `amount` more.
fn is_due(refused: &Call, amount: u64, per_s: u64, used: &[Use]) -> bool {
    let used: Vec<&Use> = used.iter().filter(|other| other.begun_ms <= refused.ended_ms).collect();
    used.iter().any(|first| {
        let within = used.iter().filter(|other| other.ended_ms >= first.begun_ms);
        let sum: u64 = within.map(|other| other.amount).sum();
        let lasted_ms = refused.begun_ms.saturating_sub(first.ended_ms);
        (sum + amount) * 1000 > per_s * (1000 + lasted_ms)
    })
}

pub(super) fn check(model: &Model<'_>, findings: &mut Findings) {
    writes(model, findings);
    reads(model, findings);
    calls(model, findings);
}

fn complain(findings: &mut Findings, call: &Call, what: &str) {
    let (operation, client, ms) = (call.operation, call.client, call.begun_ms);
    findings.add("throttle", format!("{operation} of client {client} at {ms} ms was refused without reason: {what}"));
}

/// The shard that a message names.
fn shard_in<'a>(message: &'a str, stream: &str) -> Option<(String, &'a str)> {
    let id = message.strip_prefix("Rate exceeded for shard ")?.split(' ').next()?;
    Some((stream.to_owned(), id))
}

fn entry_bytes(entry: &Value) -> u64 {
    (data(entry).len() + text(entry, "PartitionKey").len()) as u64
}

fn writes(model: &Model<'_>, findings: &mut Findings) {
    for call in &model.history.calls {
        let stream = text(&call.input, "StreamName");
        let refused: Vec<(&str, u64)> = match (call.operation, &call.outcome) {
            ("PutRecord" | "PutRecords", Outcome::Refused { message, .. }) if message.starts_with(RATE) => {
                // Of a PutRecords that is refused as a whole, any entry may be the one.
                let bytes = list(&call.input, "Records").iter().map(entry_bytes).max();
                vec![(message.as_str(), bytes.unwrap_or_else(|| entry_bytes(&call.input)))]
            }
            ("PutRecords", Outcome::Done(answer)) => {
                let entries = list(answer, "Records").iter().zip(list(&call.input, "Records"));
                let refused = entries.filter(|(result, _)| text(result, "ErrorMessage").starts_with(RATE));
                refused.map(|(result, entry)| (text(result, "ErrorMessage"), entry_bytes(entry))).collect()
            }
            _ => continue,
        };
        for (message, bytes) in refused {
            let Some((stream, id)) = shard_in(message, stream) else {
                complain(findings, call, message);
                continue;
            };
            let shard: Shard = (stream, id.to_owned());
            let counted = model.puts.iter().filter(|put| match &put.acked {
                Some((of, _)) => *of == shard,
                None => put.is_unknown && put.stream == shard.0,
            });
            let counted: Vec<_> = counted.collect();
            let bytes_used: Vec<Use> =
                counted.iter().map(|put| Use::of(put.call, (put.data.len() + put.key.len()) as u64)).collect();
            let records_used: Vec<Use> = counted.iter().map(|put| Use::of(put.call, 1)).collect();
            let is_right = model.history.is_limited
                && (is_due(call, bytes, WRITE_BYTES_PER_S, &bytes_used)
                    || is_due(call, 1, WRITE_RECORDS_PER_S, &records_used));
            if !is_right {
                complain(findings, call, message);
            }
        }
    }
}

fn reads(model: &Model<'_>, findings: &mut Findings) {
    let mut iterators: BTreeMap<&str, Shard> = BTreeMap::new();
    let mut by_shard: BTreeMap<Shard, Vec<&Call>> = BTreeMap::new();
    for call in &model.history.calls {
        match (call.operation, call.outcome.done()) {
            ("GetShardIterator", Some(answer)) => {
                let shard = (text(&call.input, "StreamName").to_owned(), text(&call.input, "ShardId").to_owned());
                iterators.insert(text(answer, "ShardIterator"), shard);
            }
            ("GetRecords", done) => {
                let Some(shard) = iterators.get(text(&call.input, "ShardIterator")).cloned() else { continue };
                if let Some(next) = done.and_then(|answer| answer["NextShardIterator"].as_str()) {
                    iterators.insert(next, shard.clone());
                }
                by_shard.entry(shard).or_default().push(call);
            }
            _ => {}
        }
    }
    let per_s = Profile::Aws.limits().reads_per_s.unwrap_or(0);
    for calls in by_shard.values() {
        let counts = |call: &&&Call| call.outcome.done().is_some() || call.outcome == Outcome::Unknown;
        let calls_used: Vec<Use> = calls.iter().filter(counts).map(|call| Use::of(call, 1)).collect();
        for call in calls {
            let Outcome::Refused { message, .. } = &call.outcome else { continue };
            if !message.starts_with(RATE) {
                continue;
            }
            // Much was read not long ago: then it may be a debt that is not yet paid.
            let recent =
                calls.iter().filter(|other| other.begun_ms <= call.ended_ms && other.ended_ms + 10_000 > call.begun_ms);
            let bytes: u64 = recent
                .filter_map(|other| other.outcome.done())
                .flat_map(|answer| list(answer, "Records"))
                .map(entry_bytes)
                .sum();
            let is_right =
                model.history.is_limited && (is_due(call, 1, per_s, &calls_used) || bytes >= READ_BYTES_PER_S);
            if !is_right {
                complain(findings, call, message);
            }
        }
    }
}

/// Rates of calls. They are counted by stream or by account; here always by account, which can only excuse.
fn calls(model: &Model<'_>, findings: &mut Findings) {
    let rates = Profile::Aws.limits().calls_per_s;
    let mut by_operation: BTreeMap<&str, Vec<&Call>> = BTreeMap::new();
    for call in &model.history.calls {
        by_operation.entry(call.operation).or_default().push(call);
    }
    for (operation, calls) in by_operation {
        let Some(per_s) = Counted::from_name(operation).and_then(|counted| rates.of(counted)) else { continue };
        // What was refused for another reason has been counted too.
        let is_rate = |call: &Call| match &call.outcome {
            Outcome::Refused { message, .. } => message.starts_with(RATE),
            Outcome::Done(_) | Outcome::NotSent | Outcome::Unknown => false,
        };
        let used: Vec<Use> = calls.iter().filter(|call| !is_rate(call)).map(|call| Use::of(call, 1)).collect();
        for call in calls.iter().filter(|call| is_rate(call)) {
            if !(model.history.is_limited && is_due(call, 1, per_s, &used)) {
                complain(findings, call, "the rate of its calls");
            }
        }
    }
}

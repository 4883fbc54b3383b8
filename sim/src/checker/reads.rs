//! What was read: only what is stored, without gaps, and never less than somebody has seen before.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Findings;
use super::model::{Got, Model, Shard, got};
use crate::history::{Call, Sequence, list, text};

/// Where a reader stands.
#[derive(Clone, Debug)]
enum Place<'a> {
    /// At the first record that there is.
    Horizon,
    /// Behind this one.
    After(Sequence),
    /// At this one.
    At(Sequence),
    /// At the first that arrived at this time.
    Time(u64),
    /// Behind whatever there was during this call.
    Latest(&'a Call),
}

/// When a record is known to have been there: from the first moment at which somebody was told.
#[derive(Default)]
struct Seen<'a> {
    /// By the time at which it was told.
    told: Vec<(u64, Sequence, &'a Call)>,
}

pub(super) fn check(model: &Model<'_>, findings: &mut Findings) {
    let mut readers: BTreeMap<&str, (Shard, Place<'_>)> = BTreeMap::new();
    let mut reads = Vec::new();
    for call in &model.history.calls {
        let Some(answer) = call.outcome.done() else { continue };
        match call.operation {
            "GetShardIterator" => {
                let shard = (text(&call.input, "StreamName").to_owned(), text(&call.input, "ShardId").to_owned());
                let place = place(&call.input, "ShardIteratorType", "StartingSequenceNumber", call);
                readers.insert(text(answer, "ShardIterator"), (shard, place));
            }
            "GetRecords" => {
                let Some((shard, place)) = readers.get(text(&call.input, "ShardIterator")).cloned() else { continue };
                let records = got(answer);
                ends(&shard, answer, "NextShardIterator", findings);
                if let Some(next) = answer["NextShardIterator"].as_str() {
                    let place = records.last().map_or(place.clone(), |last| Place::After(last.sequence.clone()));
                    readers.insert(next, (shard.clone(), place));
                }
                reads.push((call, shard, place, records, answer["MillisBehindLatest"] == 0));
            }
            "SubscribeToShard" => subscription(model, call, answer, findings),
            _ => {}
        }
    }
    let mut seen: BTreeMap<&Shard, Seen<'_>> = BTreeMap::new();
    for put in &model.puts {
        if let Some((shard, sequence)) = &put.acked {
            seen.entry(shard).or_default().told.push((put.call.ended, sequence.clone(), put.call));
        }
    }
    for (call, shard, _, records, _) in &reads {
        if let Some(last) = records.last() {
            seen.entry(shard).or_default().told.push((call.ended, last.sequence.clone(), call));
        }
    }
    for (call, shard, place, records, is_tip) in &reads {
        contiguous(model, shard, place, records, findings);
        if *is_tip && let Some(seen) = seen.get(shard) {
            up_to_date(call, shard, place, records, seen, findings);
        }
    }
}

fn place<'a>(input: &Value, kind: &str, sequence: &str, call: &'a Call) -> Place<'a> {
    let sequence = || Sequence::new(text(input, sequence));
    match text(input, kind) {
        "AFTER_SEQUENCE_NUMBER" => Place::After(sequence()),
        "AT_SEQUENCE_NUMBER" => Place::At(sequence()),
        "AT_TIMESTAMP" => Place::Time((input["Timestamp"].as_f64().unwrap_or(0.0) * 1000.0).round() as u64),
        "LATEST" => Place::Latest(call),
        _ => Place::Horizon,
    }
}

/// There is nothing to continue with if and only if children are named.
fn ends(shard: &Shard, answer: &Value, next: &str, findings: &mut Findings) {
    let has_children = !list(answer, "ChildShards").is_empty();
    if answer[next].is_string() == has_children {
        findings.add("end of a shard", format!("{shard:?}: children {has_children}, {next} {}", answer[next]));
    }
}

/// Records that follow on each other follow on each other in the shard, and the first is the one that was asked for.
fn contiguous(model: &Model<'_>, shard: &Shard, place: &Place<'_>, records: &[Got], findings: &mut Findings) {
    let Some(all) = model.finals.get(shard) else { return };
    let Some(first) = records.first() else { return };
    if records.windows(2).any(|pair| pair[0].sequence >= pair[1].sequence) {
        findings.add("order", format!("{shard:?}: an answer's records do not rise"));
        return;
    }
    // What has expired since is not there at the end; behind that everything has to be.
    let begin = all.partition_point(|got| got.sequence < first.sequence);
    let kept = match all.first() {
        Some(horizon) => &records[records.partition_point(|got| got.sequence < horizon.sequence)..],
        None => return,
    };
    let stored = &all[begin..all.len().min(begin + kept.len())];
    if stored != kept {
        let differs = stored.iter().zip(kept).find(|(stored, kept)| stored != kept);
        let what = match differs {
            Some((stored, kept)) => format!("{} where {} is", kept.sequence.digits(), stored.sequence.digits()),
            None => "more than is there at the end".to_owned(),
        };
        findings.add("gap", format!("{shard:?} from {}: {what}", first.sequence.digits()));
        return;
    }
    if kept.len() != records.len() {
        return;
    }
    let before = begin.checked_sub(1).map(|index| &all[index]);
    let problem = match place {
        Place::Horizon => before.is_some().then_some("there are records before the first"),
        Place::After(sequence) if first.sequence <= *sequence => Some("it goes back"),
        Place::After(sequence) => {
            before.is_some_and(|before| before.sequence > *sequence).then_some("records are left out")
        }
        Place::At(sequence) if first.sequence < *sequence => Some("it goes back"),
        Place::At(sequence) => {
            before.is_some_and(|before| before.sequence >= *sequence).then_some("records are left out")
        }
        Place::Time(ms) if first.arrived_ms < *ms => Some("it had arrived before"),
        Place::Time(ms) => {
            before.is_some_and(|before| before.arrived_ms >= *ms).then_some("records of that time are left out")
        }
        Place::Latest(asked) => {
            let put = |got: &Got| -> Vec<_> { model.puts.iter().filter(|put| put.data == got.data).collect() };
            let is_old = put(first).iter().any(|put| {
                put.call.ended < asked.begun
                    && put.acked.as_ref().is_some_and(|(of, sequence)| of == shard && *sequence == first.sequence)
            });
            let is_new = |got: &Got| put(got).iter().all(|put| put.call.begun > asked.ended);
            if is_old {
                Some("it was there before the latest")
            } else {
                before.is_some_and(is_new).then_some("records after the latest are left out")
            }
        }
    };
    if let Some(problem) = problem {
        findings.add("gap", format!("{shard:?}, read from {place:?}, gives {}: {problem}", first.sequence.digits()));
    }
}

/// Who is told that this is the tip has everything of which somebody was told before.
fn up_to_date(
    call: &Call,
    shard: &Shard,
    place: &Place<'_>,
    records: &[Got],
    seen: &Seen<'_>,
    findings: &mut Findings,
) {
    let known = seen.told.iter().filter(|(ended, _, by)| {
        // A day later it may have expired.
        *ended < call.begun && call.wall_ms.saturating_sub(by.wall_ms) < 20 * 3_600_000
    });
    let missed = known.map(|(_, sequence, by)| (sequence, by)).find(|(sequence, by)| match (records.last(), place) {
        (Some(last), _) => **sequence > last.sequence,
        (None, Place::Horizon) => true,
        (None, Place::After(after)) => **sequence > *after,
        (None, Place::At(at)) => **sequence >= *at,
        (None, Place::Latest(asked)) => by.operation != "GetRecords" && by.begun > asked.ended,
        (None, Place::Time(_)) => false,
    });
    if let Some((sequence, by)) = missed {
        findings.add(
            "stale read",
            format!(
                "{shard:?}: read to the tip at {}, without {}, which {} of client {} was told at {}",
                call.begun,
                sequence.digits(),
                by.operation,
                by.client,
                by.ended
            ),
        );
    }
}

/// A subscription gives each record once, in order, without gaps.
fn subscription(model: &Model<'_>, call: &Call, events: &Value, findings: &mut Findings) {
    let arn = text(&call.input, "ConsumerARN");
    let stream = arn.split('/').nth(1).unwrap_or_default();
    let shard = (stream.to_owned(), text(&call.input, "ShardId").to_owned());
    let events = events.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut records = Vec::new();
    for event in events.iter().filter(|event| event["Exception"].is_null()) {
        ends(&shard, event, "ContinuationSequenceNumber", findings);
        records.extend(got(event));
    }
    let place = place(&call.input["StartingPosition"], "Type", "SequenceNumber", call);
    let place = match place {
        // It began at some time during the call.
        Place::Latest(_) => {
            return contiguous(
                model,
                &shard,
                &records.first().map_or(Place::Horizon, |first| Place::At(first.sequence.clone())),
                &records,
                findings,
            );
        }
        place => place,
    };
    contiguous(model, &shard, &place, &records, findings);
}

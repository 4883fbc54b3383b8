//! Shards: the open ones cover the hash keys exactly once, parents end before children begin, and records lie where their
//! hash keys belong.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Findings;
use super::model::{Model, Shard, hash_of, range};
use crate::history::{list, text};

pub(super) fn check(model: &Model<'_>, findings: &mut Findings) {
    for call in model.history.calls.iter().filter(|call| call.operation == "ListShards") {
        if let Some(answer) = call.outcome.done().filter(|answer| answer["NextToken"].is_null()) {
            covers(text(&call.input, "StreamName"), answer, findings);
            leads_on(text(&call.input, "StreamName"), answer, findings);
        }
    }
    for (shard, listed) in &model.shards {
        for parent in &listed.parents {
            let parent = (shard.0.clone(), parent.clone());
            generations(model, &parent, shard, findings);
        }
    }
    for (shard, all) in &model.finals {
        let Some(listed) = model.shards.get(shard) else { continue };
        for got in all {
            let hashes = model.puts.iter().filter(|put| put.data == got.data).map(|put| put.hash);
            let lies_here = |hash: u128| (listed.range.0..=listed.range.1).contains(&hash);
            let mut hashes = hashes.peekable();
            if hashes.peek().is_some() && !hashes.any(lies_here) {
                let hash = hash_of(&got.key);
                findings.add("lineage", format!("{} of {shard:?} belongs elsewhere: {hash}", got.sequence.digits()));
            }
        }
    }
}

/// The open shards cover the hash keys exactly once.
fn covers(stream: &str, answer: &Value, findings: &mut Findings) {
    let open =
        list(answer, "Shards").iter().filter(|shard| shard["SequenceNumberRange"]["EndingSequenceNumber"].is_null());
    let mut ranges: BTreeMap<u128, u128> = BTreeMap::new();
    for shard in open {
        let (from, to) = range(shard);
        if ranges.insert(from, to).is_some() {
            findings.add("lineage", format!("{stream}: two open shards begin at {from}"));
        }
    }
    let mut next = Some(0);
    for (from, to) in &ranges {
        if next != Some(*from) {
            findings.add("lineage", format!("{stream}: after {next:?} comes an open shard from {from}"));
            return;
        }
        next = to.checked_add(1);
    }
    if next.is_some() {
        findings.add("lineage", format!("{stream}: the open shards end before {next:?}"));
    }
}

/// A shard that has ended has children.
fn leads_on(stream: &str, answer: &Value, findings: &mut Findings) {
    let all = list(answer, "Shards");
    let parents = ["ParentShardId", "AdjacentParentShardId"];
    let is_parent = |id: &str| all.iter().any(|shard| parents.iter().any(|name| shard[*name] == id));
    for shard in all.iter().filter(|shard| !shard["SequenceNumberRange"]["EndingSequenceNumber"].is_null()) {
        if !is_parent(text(shard, "ShardId")) {
            findings.add("lineage", format!("{stream}: {} has ended and leads nowhere", text(shard, "ShardId")));
        }
    }
}

/// A parent has ended before its child begins.
fn generations(model: &Model<'_>, parent: &Shard, child: &Shard, findings: &mut Findings) {
    let Some(listed) = model.shards.get(parent) else { return };
    if listed.is_open {
        findings.add("lineage", format!("{parent:?} is open and has the child {child:?}"));
    }
    let acked = |shard: &'_ Shard| {
        let shard = shard.clone();
        model.puts.iter().filter(move |put| put.acked.as_ref().is_some_and(|(of, _)| *of == shard))
    };
    let first = acked(child).map(|put| put.call.ended).min();
    if let Some(late) = first.and_then(|first| acked(parent).find(|put| put.call.begun > first)) {
        let what = format!("{parent:?} took a record at {} after its child {child:?}", late.call.begun);
        findings.add("lineage", what);
    }
    let last = model.finals.get(parent).and_then(|all| all.last());
    let first = model.finals.get(child).and_then(|all| all.first());
    if let (Some(last), Some(first)) = (last, first)
        && last.arrived_ms > first.arrived_ms
    {
        findings.add("lineage", format!("{parent:?} has records that arrived after the first of {child:?}"));
    }
    let is_within = model.shards.iter().any(|(shard, listed)| {
        shard == child
            && listed
                .parents
                .iter()
                .filter_map(|id| model.shards.get(&(child.0.clone(), id.clone())))
                .any(|parent| parent.range.0 <= listed.range.1 && listed.range.0 <= parent.range.1)
    });
    if !is_within {
        findings.add("lineage", format!("{child:?} has nothing of its parent {parent:?}"));
    }
}

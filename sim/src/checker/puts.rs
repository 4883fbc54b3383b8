//! What was put: nothing acknowledged is lost, nothing is stored twice without a retry, in order, whole or not at all.

use std::collections::{BTreeMap, BTreeSet};

use super::Findings;
use super::model::{Model, Put, Shard};
use crate::history::Sequence;

pub(super) fn check(model: &Model<'_>, findings: &mut Findings) {
    no_loss(model, findings);
    no_duplicates(model, findings);
    order(model, findings);
    order_in_a_call(model, findings);
    if !model.history.is_limited {
        all_or_nothing(model, findings);
    }
}

fn name(data: &[u8]) -> String {
    let text = String::from_utf8_lossy(&data[..data.len().min(24)]);
    text.trim_end_matches('x').to_owned()
}

/// What was acknowledged is read where it was said to be.
fn no_loss(model: &Model<'_>, findings: &mut Findings) {
    for put in &model.puts {
        let Some((shard, sequence)) = &put.acked else { continue };
        if !model.is_kept(put.stream) || !model.is_fresh(put.call) {
            continue;
        }
        let found = model
            .finals
            .get(shard)
            .and_then(|all| all.binary_search_by(|got| got.sequence.cmp(sequence)).ok().map(|index| &all[index]));
        match found {
            None => findings.add(
                "loss",
                format!("{} was acknowledged as {} of {shard:?} and is not there", name(&put.data), sequence.digits()),
            ),
            Some(got) if got.data != put.data || got.key != put.key => findings.add(
                "loss",
                format!("{} of {shard:?} is {}, not {}", sequence.digits(), name(&got.data), name(&put.data)),
            ),
            Some(_) => {}
        }
    }
}

/// What is stored was sent, to this stream and with this key, and there are no more copies than attempts that were
/// acknowledged or whose outcome is unknown.
fn no_duplicates(model: &Model<'_>, findings: &mut Findings) {
    let mut sent: BTreeMap<&[u8], Vec<&Put<'_>>> = BTreeMap::new();
    for put in &model.puts {
        sent.entry(&put.data).or_default().push(put);
    }
    let mut copies: BTreeMap<&[u8], Vec<(&Shard, &Sequence)>> = BTreeMap::new();
    for (shard, all) in &model.finals {
        for got in all {
            copies.entry(&got.data).or_default().push((shard, &got.sequence));
            let attempts = sent.get(got.data.as_slice()).map(Vec::as_slice).unwrap_or_default();
            if !attempts.iter().any(|put| put.key == got.key && put.stream == shard.0) {
                findings.add(
                    "never sent",
                    format!("{} of {shard:?} is {}, which nobody sent there", got.sequence.digits(), name(&got.data)),
                );
            }
        }
    }
    for (data, copies) in copies {
        let attempts = sent.get(data).map(Vec::as_slice).unwrap_or_default();
        let acked: BTreeSet<(&Shard, &Sequence)> =
            attempts.iter().filter_map(|put| put.acked.as_ref()).map(|(shard, sequence)| (shard, sequence)).collect();
        let unexplained = copies.iter().filter(|copy| !acked.contains(copy)).count();
        let unknown = attempts.iter().filter(|put| put.is_unknown).count();
        if unexplained > unknown {
            findings.add(
                "duplicate",
                format!(
                    "{} is stored {} times: {} attempts were acknowledged and {unknown} have an unknown outcome",
                    name(data),
                    copies.len(),
                    acked.len()
                ),
            );
        }
    }
}

/// A put that was sent after another of the same shard had been acknowledged has the higher number; and no number is
/// given twice.
fn order(model: &Model<'_>, findings: &mut Findings) {
    let mut by_shard: BTreeMap<&Shard, Vec<(&Put<'_>, &Sequence)>> = BTreeMap::new();
    for put in &model.puts {
        if let Some((shard, sequence)) = &put.acked {
            by_shard.entry(shard).or_default().push((put, sequence));
        }
    }
    for (shard, mut puts) in by_shard {
        let mut numbers = BTreeSet::new();
        for (put, sequence) in &puts {
            if !numbers.insert(*sequence) {
                let what =
                    format!("{} of {shard:?} was acknowledged twice, for {} too", sequence.digits(), name(&put.data));
                findings.add("order", what);
            }
        }
        let mut ended = puts.clone();
        ended.sort_by_key(|(put, _)| put.call.ended);
        puts.sort_by_key(|(put, _)| put.call.begun);
        let mut ended = ended.into_iter().peekable();
        let mut highest: Option<&Sequence> = None;
        for (put, sequence) in puts {
            while let Some((_, earlier)) = ended.next_if(|(other, _)| other.call.ended < put.call.begun) {
                highest = highest.max(Some(earlier));
            }
            if let Some(highest) = highest.filter(|highest| *highest >= sequence) {
                findings.add(
                    "order",
                    format!(
                        "{} was sent to {shard:?} after {} had been acknowledged, and became {}",
                        name(&put.data),
                        highest.digits(),
                        sequence.digits()
                    ),
                );
            }
        }
    }
}

/// Entries of one call are in the order of the call.
fn order_in_a_call(model: &Model<'_>, findings: &mut Findings) {
    let mut last: BTreeMap<(usize, &Shard), &Sequence> = BTreeMap::new();
    for put in &model.puts {
        let Some((shard, sequence)) = &put.acked else { continue };
        if let Some(before) = last.insert((put.at, shard), sequence)
            && before >= sequence
        {
            findings.add("order", format!("entry {} of a call to {shard:?} comes before its predecessor", put.index));
        }
    }
}

/// Of a call whose outcome is unknown, a shard has all entries or none. With limits it is not so: some entries may have
/// been refused.
fn all_or_nothing(model: &Model<'_>, findings: &mut Findings) {
    let mut attempts: BTreeMap<&[u8], usize> = BTreeMap::new();
    for put in &model.puts {
        *attempts.entry(&put.data).or_default() += 1;
    }
    let mut places: BTreeMap<&[u8], &Shard> = BTreeMap::new();
    for (shard, all) in &model.finals {
        places.extend(all.iter().map(|got| (got.data.as_slice(), shard)));
    }
    let mut calls: BTreeMap<usize, Vec<&Put<'_>>> = BTreeMap::new();
    for put in model.puts.iter().filter(|put| put.is_unknown && attempts[put.data.as_slice()] == 1) {
        if model.is_kept(put.stream) && model.is_fresh(put.call) {
            calls.entry(put.at).or_default().push(put);
        }
    }
    for puts in calls.into_values() {
        let stored: BTreeSet<&Shard> = puts.iter().filter_map(|put| places.get(put.data.as_slice()).copied()).collect();
        for shard in stored {
            let Some(listed) = model.shards.get(shard) else { continue };
            let missing = puts.iter().find(|put| {
                (listed.range.0..=listed.range.1).contains(&put.hash) && !places.contains_key(put.data.as_slice())
            });
            if let Some(put) = missing {
                findings
                    .add("half", format!("{} is missing in {shard:?}; others of its call are there", name(&put.data)));
            }
        }
    }
}

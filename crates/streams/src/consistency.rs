//! Whether a catalog holds together: asked by `rheos log repair` about a state from which changes may be missing.

use crate::catalog::{
    self, SHARDS, STREAMS, ShardRecord, Status, StreamRecord, StreamUid, decode, parse_shard_key, parse_stream_key,
};
use rheos_log::{Key, Versioned};
use rheos_types::{HashKey, ShardId};
use std::collections::BTreeMap;

type Shards = BTreeMap<StreamUid, BTreeMap<ShardId, ShardRecord>>;

fn shards(catalog: &[(Key, Versioned)]) -> Result<Shards, String> {
    let mut shards = Shards::new();
    for (key, value) in catalog.iter().filter(|(key, _)| key.as_str().starts_with(SHARDS)) {
        let parsed = parse_shard_key(key).and_then(|(uid, id)| Some((uid, id, decode(&value.value)?)));
        let (uid, id, record) = parsed.ok_or_else(|| format!("{key} cannot be read"))?;
        shards.entry(uid).or_default().insert(id, record);
    }
    Ok(shards)
}

/// Whether every stream that serves has shards that cover the hash keys exactly once, and the log has these shards, open or
/// closed as the catalog says. `of_log` has the log's shards: key, first and next position, whether closed.
///
/// # Errors
/// The first thing that does not fit, in words.
pub fn consistent(catalog: &[(Key, Versioned)], of_log: &[(u64, u64, u64, bool)]) -> Result<(), String> {
    let shards = shards(catalog)?;
    let closed: BTreeMap<u64, bool> = of_log.iter().map(|(key, _, _, closed)| (*key, *closed)).collect();
    for (key, value) in catalog.iter().filter(|(key, _)| key.as_str().starts_with(STREAMS)) {
        let record: Option<StreamRecord> = decode(&value.value);
        let (Some(record), Some((_, name))) = (record, parse_stream_key(key)) else {
            return Err(format!("{key} cannot be read"));
        };
        if !matches!(record.status, Status::Active | Status::Updating) {
            continue;
        }
        let none = BTreeMap::new();
        let of_stream = shards.get(&record.uid).unwrap_or(&none);
        for (id, shard) in of_stream {
            match closed.get(&shard.key.0) {
                None => return Err(format!("{id} of stream {name} is not in the log")),
                Some(closed) if *closed != shard.closed.is_some() => {
                    return Err(format!("{id} of stream {name} is open in one place and closed in another"));
                }
                Some(_) => {}
            }
            if id.0 >= record.next_shard {
                return Err(format!("{id} of stream {name} is newer than the stream knows"));
            }
        }
        // Children that are still to be opened stand for themselves: the intent is in their parent.
        let mut ranges: Vec<(HashKey, HashKey)> = Vec::new();
        for shard in of_stream.values() {
            match &shard.closed {
                None => ranges.push((shard.range.start, shard.range.end)),
                Some(closed) => ranges.extend(
                    closed
                        .children
                        .iter()
                        .filter(|child: &&catalog::Child| !child.is_open_in(&record))
                        .map(|child| (child.range.start, child.range.end)),
                ),
            }
        }
        ranges.sort_unstable();
        ranges.dedup();
        let mut next = Some(0u128);
        for (first, last) in ranges {
            if next != Some(first.0) {
                return Err(format!("the open shards of stream {name} do not cover the hash keys once"));
            }
            next = last.0.checked_add(1);
        }
        if next.is_some() {
            return Err(format!("the open shards of stream {name} do not cover the hash keys"));
        }
    }
    Ok(())
}

/// What shards are called: stream and shard id, by the key in the log. What cannot be read has no name.
#[must_use]
pub fn shard_names(catalog: &[(Key, Versioned)]) -> BTreeMap<u64, String> {
    let streams: BTreeMap<StreamUid, String> = catalog
        .iter()
        .filter(|(key, _)| key.as_str().starts_with(STREAMS))
        .filter_map(|(key, value)| {
            let record: StreamRecord = decode(&value.value)?;
            let (_, name) = parse_stream_key(key)?;
            Some((record.uid, name.to_string()))
        })
        .collect();
    let named = catalog.iter().filter(|(key, _)| key.as_str().starts_with(SHARDS)).filter_map(|(key, value)| {
        let (uid, id) = parse_shard_key(key)?;
        let record: ShardRecord = decode(&value.value)?;
        Some((record.key.0, format!("{} {id}", streams.get(&uid)?)))
    });
    named.collect()
}

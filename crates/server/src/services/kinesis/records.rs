//! Records on their way out, for GetRecords and SubscribeToShard: from the log's blocks straight into the body.

use rheos_streams::{Onward, Records};
use rheos_types::SequenceDigits;
use rheos_wire::codec::{ChildShardRef, Format, RecordFields, RecordsWriter};

use super::{describe, timestamp};

/// What a record takes apart from its data: the names of its members, its sequence number, its time, its key.
const RECORD_OVERHEAD: usize = 200;

/// Appends records. `finish` writes how a reader goes on: with the one, or else with the child shards.
pub(super) fn write<F: Format, N>(
    out: &mut Vec<u8>,
    records: &Records<N>,
    finish: impl FnOnce(RecordsWriter<'_, F>, Option<&N>, i64, &[ChildShardRef<'_>]),
) {
    // Enough at once, so that the buffer never moves.
    let mut writer = RecordsWriter::<F>::begin(out, records.bytes() + records.count() * RECORD_OVERHEAD + 1024);
    let mut digits = SequenceDigits::default();
    for record in records.iter() {
        writer.push(&RecordFields {
            sequence_number: digits.of(record.sequence_number),
            arrival: timestamp(record.time_ms),
            data: record.data,
            partition_key: record.partition_key,
            encryption: describe::of_record(record.sealed),
        });
    }
    let behind = i64::try_from(records.millis_behind_latest).unwrap_or(i64::MAX);
    match &records.onward {
        Onward::Next(next) => finish(writer, Some(next), behind, &[]),
        Onward::Ended(children) => {
            let children: Vec<_> = children.iter().map(ChildTexts::of).collect();
            let parents: Vec<Vec<&str>> = children.iter().map(ChildTexts::parents).collect();
            let children: Vec<_> = children.iter().zip(&parents).map(|(child, parents)| child.shard(parents)).collect();
            finish(writer, None, behind, &children);
        }
    }
}

/// The texts of a child shard, for the writer to borrow.
struct ChildTexts {
    id: String,
    parents: Vec<String>,
    start: String,
    end: String,
}

impl ChildTexts {
    fn of(child: &rheos_streams::ChildShard) -> Self {
        Self {
            id: child.id.to_string(),
            parents: child.parents.iter().map(ToString::to_string).collect(),
            start: child.range.start.to_string(),
            end: child.range.end.to_string(),
        }
    }

    fn parents(&self) -> Vec<&str> {
        self.parents.iter().map(String::as_str).collect()
    }

    fn shard<'a>(&'a self, parent_shards: &'a [&'a str]) -> ChildShardRef<'a> {
        ChildShardRef { shard_id: &self.id, parent_shards, starting_hash_key: &self.start, ending_hash_key: &self.end }
    }
}

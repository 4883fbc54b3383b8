//! GetRecords: from the log's blocks straight into the body of the answer.

use bytes::Bytes;
use rheos_streams::{Onward, OpenIteratorError, Records};
use rheos_wire::codec::{ChildShardRef, Format, RecordFields, RecordsWriter};
use rheos_wire::generated::GetRecordsInput;
use rheos_wire::{Operation, Protocol, in_format};

use super::{Kinesis, RequestError, Target, count, text, timestamp};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    protocol: Protocol,
    input: GetRecordsInput,
) -> Result<Bytes, Fault> {
    let iterator = kinesis.streams.open_iterator(&input.shard_iterator)?;
    // Whose iterator it is decides, not who holds it.
    if iterator.namespace != caller.namespace {
        return Err(OpenIteratorError::Invalid.into());
    }
    let (arn, id) = (input.stream_arn.as_deref(), input.stream_id.as_deref());
    let target = Target { operation: Operation::GetRecords, name: None, arn, id };
    if target.is_given() {
        let name = target.resolve(kinesis, caller)?;
        if name != iterator.stream {
            return Err(RequestError::OtherIterator { name }.into());
        }
    }
    let _turn = kinesis.admission.turn_to_read().await;
    let records = kinesis.streams.get_records(&iterator, input.limit.map(count)).await?;
    if input.dry_run == Some(true) {
        return Err(RequestError::WouldHaveSucceeded.into());
    }
    Ok(in_format!(protocol, write(&records)).into())
}

/// What a record takes apart from its data: the names of its members, its sequence number, its time, its key.
const RECORD_OVERHEAD: usize = 200;

fn write<F: Format>(records: &Records) -> Vec<u8> {
    // Enough at once, so that the buffer never moves.
    let mut out = Vec::new();
    let mut writer = RecordsWriter::<F>::begin(&mut out, records.bytes() + records.count() * RECORD_OVERHEAD + 1024);
    for record in records.iter() {
        writer.push(&RecordFields {
            sequence_number: text(&record.sequence_number.digits()),
            arrival: timestamp(record.time_ms),
            data: record.data,
            partition_key: record.partition_key,
            encryption: None,
        });
    }
    let behind = i64::try_from(records.millis_behind_latest).unwrap_or(i64::MAX);
    match &records.onward {
        Onward::Next(iterator) => writer.finish(Some(iterator), behind, &[]),
        Onward::Ended(children) => {
            let children: Vec<_> = children.iter().map(ChildTexts::of).collect();
            let parents: Vec<Vec<&str>> = children.iter().map(ChildTexts::parents).collect();
            let children: Vec<_> = children.iter().zip(&parents).map(|(child, parents)| child.shard(parents)).collect();
            writer.finish(None, behind, &children);
        }
    }
    out
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

//! A batch: header, directory, changes, blocks.

use super::checksums::{self, Kept};
use crate::batch::{ALIGN, BatchBuilder, Header, HeaderAt, ParsedBatch, Place};
use crate::change::{Change, Key};
use crate::record::{Block, RecordFlags, RunBuilder};
use crate::state::State;
use bytes::Bytes;
use rheos_types::ShardKey;

/// A batch as it lies in a log file; zeros at its end may be missing.
pub fn batch(data: &[u8]) {
    let mut bytes = data.to_vec();
    bytes.resize(data.len().next_multiple_of(ALIGN), 0);
    decode(&bytes);
    bytes.truncate(data.len());
    checksums::batch(&mut bytes, None, None, &Kept::of(data));
    decode(&bytes);
}

fn decode(bytes: &[u8]) {
    let HeaderAt::Valid(header) = Header::decode(bytes) else { return };
    assert_eq!(Header::decode(&header.encode()), HeaderAt::Valid(header), "a header reads back");
    let Some(whole) = bytes.get(..header.total as usize) else { return };
    let Some(parsed) = ParsedBatch::parse(header, Bytes::copy_from_slice(whole)) else { return };
    assert_eq!(parsed.bytes(), whole);
    let mut state = State::default();
    let changes = parsed.changes();
    for change in changes.iter().flatten() {
        state.apply(change);
    }
    let mut encoded = Vec::new();
    state.encode(&mut encoded);
    assert_eq!(State::decode(&encoded).as_ref(), Some(&state), "the state of its changes reads back");
    let mut rebuilt = BatchBuilder::default();
    let mut expected = Vec::new();
    let mut last_shard = None;
    for (entry, offset) in parsed.blocks() {
        let records = parsed.bytes().slice(offset..offset + entry.bytes as usize);
        assert_eq!(crc32c::crc32c(&records), entry.crc, "a block is what its entry vouches for");
        if entry.first.checked_add(u64::from(entry.count)).is_none() {
            continue;
        }
        let block = Block::new(entry.first, entry.count, header.time_ms, records);
        super::records::use_block(&block);
        // A writer makes one block of a shard, in the order of the keys: only that is built again.
        let is_written_so = last_shard.is_none_or(|last| last < entry.shard);
        if is_written_so && entry.count > 0 && block.records().count() == entry.count as usize {
            let mut run = RunBuilder::new(entry.shard);
            block.records().for_each(|(_, record)| run.push(record.partition_key, record.data, record.flags));
            rebuilt.push_run(run.finish(), entry.first);
            expected.push((entry.shard, block));
            last_shard = Some(entry.shard);
        }
    }
    changes.iter().flatten().for_each(|change| rebuilt.push_change(change));
    let mut rebuilt = rebuilt.finish(header.number, header.durable_upto, header.time_ms);
    let bytes = Bytes::copy_from_slice(rebuilt.seal(header.place));
    let HeaderAt::Valid(again) = Header::decode(&bytes) else { panic!("what was built has a header") };
    let again = ParsedBatch::parse(again, bytes).expect("what was built reads back");
    assert_eq!(again.changes(), Some(changes.unwrap_or_default()), "changes read back");
    assert_eq!(again.blocks().count(), expected.len());
    for ((entry, offset), (shard, block)) in again.blocks().zip(expected) {
        let bytes = again.bytes().slice(offset..offset + entry.bytes as usize);
        let read = Block::new(entry.first, entry.count, header.time_ms, bytes);
        assert!(entry.shard == shard && read.records().eq(block.records()), "records read back");
    }
}

pub(super) fn run(shard: u64, records: &[(Option<&str>, &[u8], RecordFlags)]) -> crate::record::Run {
    let mut run = RunBuilder::new(ShardKey(shard));
    records.iter().for_each(|(key, data, flags)| run.push(*key, data, *flags));
    run.finish()
}

/// A change of each kind.
pub(super) fn changes() -> Vec<Change> {
    let key = Key::new("stream/000000000000/us-east-1/orders");
    vec![
        Change::Put { key: key.clone(), value: Bytes::from_static(b"{\"uid\":1}") },
        Change::Delete { key },
        Change::OpenShard { shard: ShardKey(1), class: 24 },
        Change::OpenShard { shard: ShardKey(2), class: 168 },
        Change::SetShardClass { shard: ShardKey(2), class: 24 },
        Change::TrimShard { shard: ShardKey(1), below: 1 },
        Change::CloseShard { shard: ShardKey(2) },
        Change::DropShard { shard: ShardKey(2) },
    ]
}

/// Batches as the writer makes them.
#[must_use]
pub fn batch_seeds() -> Vec<Vec<u8>> {
    let place = Place { log_id: 7, generation: 1, file_id: 1, offset: 4096 };
    let records = [
        (Some("key-1"), &b"data of one"[..], RecordFlags::NONE),
        (None, b"", RecordFlags::SEALED),
        (Some(""), b"x", RecordFlags::NONE),
    ];
    let build = |fill: &dyn Fn(&mut BatchBuilder)| {
        let mut builder = BatchBuilder::default();
        fill(&mut builder);
        let mut batch = builder.finish(1, 0, 1_700_000_000_000);
        trimmed(batch.seal(place))
    };
    vec![
        build(&|_| {}),
        build(&|builder| builder.push_run(run(1, &records), 0)),
        build(&|builder| changes().iter().for_each(|change| builder.push_change(change))),
        build(&|builder| {
            changes().iter().take(4).for_each(|change| builder.push_change(change));
            builder.push_run(run(2, &records[..1]), 5);
            builder.push_run(run(1, &records), 0);
            builder.push_run(run(1, &records[1..]), 3);
        }),
    ]
}

/// Without the zeros at the end.
pub(super) fn trimmed(bytes: &[u8]) -> Vec<u8> {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes[..end].to_vec()
}

//! From the records of a shard to the records of users.

use rheos_types::HashRange;

use super::config::Misplaced;
use super::kinesis::ShardRecord;
use super::processor::Record;
use crate::aggregation::{Contents, unpack};
use crate::lease::{Checkpoint, RecordNumber};

/// The user records of a page that lie behind a checkpoint.
pub(super) fn user_records(
    page: Vec<ShardRecord>,
    checkpoint: &Checkpoint,
    range: Option<HashRange>,
    misplaced: Misplaced,
) -> Vec<Record> {
    let mut records = Vec::with_capacity(page.len());
    for record in page {
        let Some(number) = RecordNumber::parse(&record.sequence_number, 0) else {
            tracing::error!("a record has {:?} as its sequence number, which is no number", record.sequence_number);
            continue;
        };
        unpack_into(&mut records, record, number, range, misplaced);
    }
    records.retain(|record| Checkpoint::At(record.number.clone()) > *checkpoint);
    records
}

fn unpack_into(
    records: &mut Vec<Record>,
    record: ShardRecord,
    number: RecordNumber,
    range: Option<HashRange>,
    misplaced: Misplaced,
) {
    let data = record.data;
    let contents = match unpack(&data) {
        Contents::Aggregated(contents) => contents,
        Contents::Plain => {
            records.push(plain(number, record.partition_key, data.clone(), record.arrival_ms));
            return;
        }
        Contents::Malformed(malformed) => {
            tracing::warn!("the record {number} is aggregated and {malformed}; it is delivered as it is");
            records.push(plain(number, record.partition_key, data.clone(), record.arrival_ms));
            return;
        }
    };
    if misplaced == Misplaced::Drop
        && let Some(range) = range
        && contents.iter().any(|user| !range.contains(user.hash_key()))
    {
        tracing::warn!("the aggregated record {number} holds records of another shard; it is left out");
        return;
    }
    records.extend((0u64..).zip(contents).map(|(sub_sequence_number, user)| Record {
        number: RecordNumber { sub_sequence_number, ..number.clone() },
        partition_key: user.partition_key.to_owned(),
        explicit_hash_key: user.explicit_hash_key.map(str::to_owned),
        data: data.slice_ref(user.data),
        arrival_ms: record.arrival_ms,
        is_aggregated: true,
    }));
}

fn plain(number: RecordNumber, partition_key: String, data: bytes::Bytes, arrival_ms: Option<u64>) -> Record {
    Record { number, partition_key, explicit_hash_key: None, data, arrival_ms, is_aggregated: false }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use rheos_types::HashKey;

    use super::*;
    use crate::aggregation::{Packer, UserRecord};

    fn shard_record(sequence_number: &str, data: Bytes) -> ShardRecord {
        ShardRecord {
            sequence_number: sequence_number.to_owned(),
            partition_key: "a".to_owned(),
            data,
            arrival_ms: Some(3),
        }
    }

    fn aggregated(texts: &[&str]) -> Bytes {
        let mut packer = Packer::new();
        for text in texts {
            packer.push(&UserRecord { partition_key: text, data: text.as_bytes(), ..UserRecord::default() });
        }
        packer.take().unwrap().data
    }

    #[test]
    fn a_checkpoint_inside_of_an_aggregated_record_leaves_out_what_is_before_it() {
        let page =
            vec![shard_record("7", aggregated(&["x", "y", "z"])), shard_record("9", Bytes::from_static(b"plain"))];
        let all = user_records(page.clone(), &Checkpoint::TrimHorizon, None, Misplaced::Deliver);
        let numbers: Vec<String> = all.iter().map(|record| record.number.to_string()).collect();
        assert_eq!(numbers, ["7", "7:1", "7:2", "9"]);
        assert_eq!((all[1].partition_key.as_str(), &all[1].data[..], all[1].is_aggregated), ("y", &b"y"[..], true));
        assert!(!all[3].is_aggregated);
        let behind = user_records(page, &Checkpoint::parse("7", 1).unwrap(), None, Misplaced::Deliver);
        assert_eq!(behind, all[2..]);
    }

    #[test]
    fn records_of_another_shard_are_left_out_only_if_that_is_wanted() {
        let nowhere = Some(HashRange { start: HashKey(0), end: HashKey(0) });
        let page = || vec![shard_record("7", aggregated(&["x", "y"])), shard_record("8", Bytes::from_static(b"plain"))];
        let records = |misplaced| user_records(page(), &Checkpoint::Latest, nowhere, misplaced).len();
        assert_eq!((records(Misplaced::Deliver), records(Misplaced::Drop)), (3, 1));
    }
}

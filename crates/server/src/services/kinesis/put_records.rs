//! PutRecords.

use bytes::Bytes;
use rheos_streams::{Entry, LogError, Outcome, PutRecordsError, Stored};
use rheos_types::{Digits, SequenceDigits, ShardId, StreamName};
use rheos_wire::codec::{Format, PutOutcome, PutRecordsRef, PutRecordsWriter, RecordRef, put_records};
use rheos_wire::{Protocol, in_format};

use super::dry_run::{self, Refusal};
use super::naming::target;
use super::{Kinesis, describe};
use crate::auth::Caller;
use crate::chaos::{EntryFaults, EntryRefusal};
use crate::fault::{EntryFault, Fault, entry_failed, entry_throttled, entry_waits, injected_entry};

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    protocol: Protocol,
    body: &[u8],
    faults: Option<EntryFaults>,
) -> Result<Bytes, Fault> {
    // All at once: a buffer that grows takes up to twice as much.
    let mut arena = Vec::with_capacity(if protocol == Protocol::Json { body.len() / 4 * 3 } else { 0 });
    let input = put_records(protocol, body, &mut arena)?;
    let stream = target!(PutRecords, input).resolve(kinesis, caller)?;
    let mut entries = entries(&input, &arena);
    if input.dry_run == Some(true) {
        let refused = |index, refusal| match refusal {
            Refusal::NoPartitionKey => PutRecordsError::NoPartitionKey { index }.into(),
            Refusal::TooLarge { bytes, limit_bytes } => {
                PutRecordsError::RecordTooLarge { index, bytes, limit_bytes }.into()
            }
        };
        return Err(dry_run::put(kinesis, caller, &stream, &entries, refused));
    }
    let count = entries.len();
    let refused: Vec<_> = faults.map(|faults| (0..count).map(|index| faults.of(index)).collect()).unwrap_or_default();
    if !refused.is_empty() {
        let mut refused = refused.iter();
        entries.retain(|_| refused.next().is_some_and(Option::is_none));
    }
    match kinesis.streams.put_records(&caller.namespace, &stream, &entries).await {
        Ok(outcomes) => Ok(in_format!(protocol, write(&outcomes, &refused, caller, &stream))),
        // What would pass later is said entry by entry, as for a shard's own limit: clients then send those again.
        Err(PutRecordsError::Log(LogError::Overloaded)) => Ok(in_format!(protocol, write_all_wait(count))),
        Err(error) => Err(error.into()),
    }
}

fn entries<'a>(input: &'a PutRecordsRef<'_>, arena: &'a [u8]) -> Vec<Entry<'a>> {
    let entry = |record: &'a RecordRef<'_>| Entry {
        data: record.data.of(arena),
        partition_key: record.partition_key.as_deref(),
        explicit_hash_key: record.explicit_hash_key.as_deref(),
    };
    input.records.iter().map(entry).collect()
}

/// Writes what became of the entries. `refused` has one for each that was asked for, or none at all; `outcomes` only
/// those that were not refused.
fn write<F: Format>(
    outcomes: &[Outcome],
    refused: &[Option<EntryRefusal>],
    caller: &Caller,
    stream: &StreamName,
) -> Bytes {
    let mut out = Vec::new();
    let mut writer = PutRecordsWriter::<F>::begin(&mut out, outcomes.len().max(refused.len()));
    let mut shards = ShardTexts::default();
    let mut refused = refused.iter().copied();
    let mut outcomes = outcomes.iter();
    // Whether any of the records that were stored is: the answer says it once for all.
    let mut sealed = false;
    loop {
        if let Some(refusal) = refused.next().flatten() {
            push_fault(&mut writer, &injected_entry(refusal));
            continue;
        }
        let Some(outcome) = outcomes.next() else { break };
        match outcome {
            Outcome::Stored(stored) => {
                sealed |= stored.sealed;
                let (shard_id, sequence_number) = shards.of(stored);
                writer.push(PutOutcome::Stored { shard_id, sequence_number });
            }
            Outcome::Throttled { shard } => {
                push_fault(&mut writer, &entry_throttled(&caller.namespace, stream, *shard))
            }
            Outcome::Failed(failure) => push_fault(&mut writer, &entry_failed(failure)),
        }
    }
    writer.finish(describe::of_record(sealed));
    out.into()
}

fn write_all_wait<F: Format>(entries: usize) -> Bytes {
    let mut out = Vec::new();
    let mut writer = PutRecordsWriter::<F>::begin(&mut out, entries);
    let wait = entry_waits();
    (0..entries).for_each(|_| push_fault(&mut writer, &wait));
    writer.finish(None);
    out.into()
}

fn push_fault<F: Format>(writer: &mut PutRecordsWriter<'_, F>, fault: &EntryFault) {
    writer.push(PutOutcome::Failed { code: fault.code, message: &fault.message });
}

/// The texts of shards: a call has many records and few shards, and the records of each follow each other.
#[derive(Default)]
struct ShardTexts(Vec<(ShardId, String, SequenceDigits)>);

impl ShardTexts {
    /// Beyond this many shards making a text again is quicker than looking for it.
    const KNOWN: usize = 16;

    /// The texts of a record's shard and sequence number.
    fn of(&mut self, stored: &Stored) -> (&str, &Digits) {
        let at = self.0.iter().position(|(known, ..)| *known == stored.shard).unwrap_or_else(|| {
            if self.0.len() == Self::KNOWN {
                self.0.clear();
            }
            self.0.push((stored.shard, stored.shard.to_string(), SequenceDigits::default()));
            self.0.len() - 1
        });
        let (_, id, digits) = &mut self.0[at];
        (id, digits.of(stored.sequence_number))
    }
}

//! PutRecord.

use bytes::Bytes;
use rheos_streams::{Entry, PutError};
use rheos_wire::codec::{put_record, write_put_record};
use rheos_wire::{Protocol, in_format};

use super::dry_run::{self, Refusal};
use super::naming::target;
use super::{Kinesis, describe};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(kinesis: &Kinesis, caller: &Caller, protocol: Protocol, body: &[u8]) -> Result<Bytes, Fault> {
    let mut arena = Vec::new();
    let input = put_record(protocol, body, &mut arena)?;
    let stream = target!(PutRecord, input).resolve(kinesis, caller)?;
    let entry = Entry {
        data: input.record.data.of(&arena),
        partition_key: input.record.partition_key.as_deref(),
        explicit_hash_key: input.record.explicit_hash_key.as_deref(),
    };
    if input.dry_run == Some(true) {
        let refused = |_, refusal| match refusal {
            Refusal::NoPartitionKey => PutError::NoPartitionKey.into(),
            Refusal::TooLarge { bytes, limit_bytes } => PutError::TooLarge { bytes, limit_bytes }.into(),
        };
        return Err(dry_run::put(kinesis, caller, &stream, &[entry], refused));
    }
    let ordering = input.sequence_number_for_ordering.as_deref();
    let stored = kinesis.streams.put_record(&caller.namespace, &stream, entry, ordering).await?;
    let mut out = Vec::with_capacity(128);
    let (shard, number) = (stored.shard.to_string(), stored.sequence_number.digits());
    let encryption = describe::of_record(stored.sealed);
    in_format!(protocol, write_put_record(&mut out, &shard, &number, encryption));
    Ok(out.into())
}

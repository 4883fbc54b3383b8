//! GetShardIterator.

use rheos_streams::{IteratorKind, IteratorRequest};
use rheos_wire::generated::{GetShardIteratorInput, GetShardIteratorOutput, ShardIteratorType};

use super::naming::target;
use super::{Kinesis, RequestError, epoch_ms};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    input: GetShardIteratorInput,
) -> Result<GetShardIteratorOutput, Fault> {
    let stream = target!(GetShardIterator, input).resolve(kinesis, caller)?;
    let request = IteratorRequest {
        shard: &input.shard_id,
        kind: kind(input.shard_iterator_type),
        sequence_number: input.starting_sequence_number.as_deref(),
        timestamp_ms: input.timestamp.map(epoch_ms),
    };
    let iterator = kinesis.streams.get_shard_iterator(&caller.namespace, &stream, request).await?;
    if input.dry_run == Some(true) {
        return Err(RequestError::WouldHaveSucceeded.into());
    }
    Ok(GetShardIteratorOutput { shard_iterator: Some(iterator) })
}

pub(super) fn kind(kind: ShardIteratorType) -> IteratorKind {
    match kind {
        ShardIteratorType::TrimHorizon => IteratorKind::TrimHorizon,
        ShardIteratorType::Latest => IteratorKind::Latest,
        ShardIteratorType::AtSequenceNumber => IteratorKind::AtSequenceNumber,
        ShardIteratorType::AfterSequenceNumber => IteratorKind::AfterSequenceNumber,
        ShardIteratorType::AtTimestamp => IteratorKind::AtTimestamp,
    }
}

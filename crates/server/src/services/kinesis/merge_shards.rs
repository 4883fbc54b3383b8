//! MergeShards.

use rheos_wire::generated::MergeShardsInput;

use super::Kinesis;
use super::naming::target;
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(kinesis: &Kinesis, caller: &Caller, input: MergeShardsInput) -> Result<(), Fault> {
    let stream = target!(MergeShards, input).resolve(kinesis, caller)?;
    let (shard, adjacent) = (&input.shard_to_merge, &input.adjacent_shard_to_merge);
    Ok(kinesis.streams.merge_shards(&caller.namespace, &stream, shard, adjacent).await?)
}

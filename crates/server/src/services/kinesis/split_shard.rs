//! SplitShard.

use rheos_wire::generated::SplitShardInput;

use super::Kinesis;
use super::naming::target;
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(kinesis: &Kinesis, caller: &Caller, input: SplitShardInput) -> Result<(), Fault> {
    let stream = target!(SplitShard, input).resolve(kinesis, caller)?;
    let (shard, hash_key) = (&input.shard_to_split, &input.new_starting_hash_key);
    Ok(kinesis.streams.split_shard(&caller.namespace, &stream, shard, hash_key).await?)
}

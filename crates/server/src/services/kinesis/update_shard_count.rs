//! UpdateShardCount.

use rheos_types::StreamArn;
use rheos_wire::generated::{ScalingType, UpdateShardCountInput, UpdateShardCountOutput};

use super::naming::target;
use super::{Kinesis, count, number};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    input: UpdateShardCountInput,
) -> Result<UpdateShardCountOutput, Fault> {
    let name = target!(UpdateShardCount, input).resolve(kinesis, caller)?;
    let ScalingType::UniformScaling = input.scaling_type;
    let change = kinesis.streams.update_shard_count(&caller.namespace, &name, count(input.target_shard_count)).await?;
    Ok(UpdateShardCountOutput {
        current_shard_count: Some(number(change.current)),
        target_shard_count: Some(number(change.target)),
        stream_name: Some(name.to_string()),
        stream_arn: Some(StreamArn { namespace: caller.namespace.clone(), name }.to_string()),
    })
}

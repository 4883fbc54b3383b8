//! DescribeStream.

use rheos_wire::generated::{DescribeStreamInput, DescribeStreamOutput, StreamDescription};

use super::naming::target;
use super::{Kinesis, count, describe, monitoring, number};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    input: DescribeStreamInput,
) -> Result<DescribeStreamOutput, Fault> {
    let name = target!(DescribeStream, input).resolve(kinesis, caller)?;
    let (limit, start) = (input.limit.map(count), input.exclusive_start_shard_id.as_deref());
    let described = kinesis.streams.describe_stream(&caller.namespace, &name, limit, start)?;
    let stream = &described.stream;
    let stream_description = StreamDescription {
        stream_name: stream.name.to_string(),
        stream_arn: describe::arn(stream),
        stream_status: describe::status(stream.status),
        stream_mode_details: Some(describe::mode(stream.mode)),
        shards: describe::shards(&described.shards),
        has_more_shards: described.has_more,
        retention_period_hours: number(stream.retention_hours),
        stream_creation_timestamp: describe::created(stream),
        enhanced_monitoring: monitoring::described(&stream.shard_metrics),
        encryption_type: describe::encryption(stream),
        key_id: stream.key_id.clone(),
    };
    Ok(DescribeStreamOutput { stream_description })
}

//! DescribeStreamSummary.

use rheos_wire::generated::{DescribeStreamSummaryInput, DescribeStreamSummaryOutput, StreamDescriptionSummary};

use super::naming::target;
use super::{Kinesis, describe, monitoring, number};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    input: DescribeStreamSummaryInput,
) -> Result<DescribeStreamSummaryOutput, Fault> {
    let name = target!(DescribeStreamSummary, input).resolve(kinesis, caller)?;
    let stream = kinesis.streams.describe_stream_summary(&caller.namespace, &name)?;
    let stream_description_summary = StreamDescriptionSummary {
        stream_name: stream.name.to_string(),
        stream_arn: describe::arn(&stream),
        stream_status: describe::status(stream.status),
        stream_mode_details: Some(describe::mode(stream.mode)),
        retention_period_hours: number(stream.retention_hours),
        stream_creation_timestamp: describe::created(&stream),
        enhanced_monitoring: monitoring::described(&stream.shard_metrics),
        encryption_type: describe::encryption(&stream),
        key_id: stream.key_id.clone(),
        open_shard_count: number(stream.open_shards),
        consumer_count: Some(number(stream.consumers)),
        channel_count: Some(0),
        queue_count: Some(0),
        max_record_size_in_kib: Some(number(stream.max_record_kib)),
        record_distribution_strategy: describe::distribution(&stream),
        stream_id: kinesis.shows_stream_ids.then(|| stream.id.to_string()),
        warm_throughput: stream.warm.map(describe::warm),
    };
    Ok(DescribeStreamSummaryOutput { stream_description_summary })
}

//! From an operation to the function that does it: decode, check, count, call, encode.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use rheos_wire::codec::{decode, encode};
use rheos_wire::front::Asked;
use rheos_wire::{ErrorBody, Operation};

use crate::auth::Caller;
use crate::chaos::EntryFaults;
use crate::fault::Fault;
use crate::services::kinesis::{self, Kinesis};

/// What an operation answers with.
pub(crate) enum Output {
    /// A body.
    Whole(Bytes),
    /// Frames of an event stream, as they come.
    Events(BoxStream<'static, Bytes>),
}

/// Does an operation: its answer, or what went wrong.
///
/// Whatever changes a stream is detached: a client that hangs up does not stop it half-way. Puts are not: the log has
/// all of their records, or none, before they wait for the first time. `refused` are entries of a PutRecords that chaos
/// takes.
pub(crate) async fn dispatch(
    service: &Arc<Kinesis>,
    asked: Asked,
    caller: Caller,
    body: Bytes,
    refused: Option<EntryFaults>,
) -> Result<Output, Fault> {
    use Operation as O;

    let Asked { operation, protocol } = asked;
    macro_rules! read {
        ($module:ident) => {{
            let input = decode(protocol, &body)?;
            kinesis::rate::count(service, operation, &caller, &input)?;
            let output = kinesis::$module::run(service, &caller, input).await?;
            Ok(Output::Whole(encode(protocol, &output)?))
        }};
    }
    macro_rules! change {
        ($module:ident) => {{
            let input = decode(protocol, &body)?;
            drop(body);
            kinesis::rate::count(service, operation, &caller, &input)?;
            let (service, spawner) = (service.clone(), &service.spawner);
            let work = spawner.detach(async move { kinesis::$module::run(&service, &caller, input).await });
            let output = work.await.map_err(|_| Fault::broken_off())??;
            Ok(Output::Whole(encode(protocol, &output)?))
        }};
    }

    match operation {
        O::PutRecord => kinesis::put_record::run(service, &caller, protocol, &body).await.map(Output::Whole),
        O::PutRecords => kinesis::put_records::run(service, &caller, protocol, &body, refused).await.map(Output::Whole),
        O::GetRecords => {
            let input = decode(protocol, &body)?;
            kinesis::get_records::run(service, &caller, protocol, input).await.map(Output::Whole)
        }
        O::GetShardIterator => read!(get_shard_iterator),
        O::SubscribeToShard => {
            kinesis::subscribe_to_shard::run(service, &caller, decode(protocol, &body)?).await.map(Output::Events)
        }

        O::DescribeAccountSettings => read!(describe_account_settings),
        O::DescribeLimits => read!(describe_limits),
        O::DescribeStream => read!(describe_stream),
        O::DescribeStreamConsumer => read!(describe_stream_consumer),
        O::DescribeStreamSummary => read!(describe_stream_summary),
        O::ListShards => read!(list_shards),
        O::ListStreamConsumers => read!(list_stream_consumers),
        O::ListStreams => read!(list_streams),
        O::ListTagsForStream => read!(list_tags_for_stream),

        O::ListTagsForResource => read!(list_tags_for_resource),
        O::GetResourcePolicy => read!(get_resource_policy),
        O::AddTagsToStream => change!(add_tags_to_stream),
        O::CreateStream => change!(create_stream),
        O::DecreaseStreamRetentionPeriod => change!(decrease_stream_retention_period),
        O::DeleteStream => change!(delete_stream),
        O::DeregisterStreamConsumer => change!(deregister_stream_consumer),
        O::IncreaseStreamRetentionPeriod => change!(increase_stream_retention_period),
        O::MergeShards => change!(merge_shards),
        O::RegisterStreamConsumer => change!(register_stream_consumer),
        O::RemoveTagsFromStream => change!(remove_tags_from_stream),
        O::SplitShard => change!(split_shard),
        O::UpdateMaxRecordSize => change!(update_max_record_size),
        O::DisableEnhancedMonitoring => change!(disable_enhanced_monitoring),
        O::EnableEnhancedMonitoring => change!(enable_enhanced_monitoring),
        O::DeleteResourcePolicy => change!(delete_resource_policy),
        O::PutResourcePolicy => change!(put_resource_policy),
        O::UntagResource => change!(untag_resource),
        O::TagResource => change!(tag_resource),
        O::UpdateAccountSettings => change!(update_account_settings),
        O::UpdateShardCount => change!(update_shard_count),
        O::UpdateStreamMode => change!(update_stream_mode),
        O::UpdateStreamRecordDistributionStrategy => change!(update_stream_record_distribution_strategy),
        O::UpdateStreamWarmThroughput => change!(update_stream_warm_throughput),
        O::StartStreamEncryption => change!(start_stream_encryption),
        O::StopStreamEncryption => change!(stop_stream_encryption),

        // To come with the issue "The whole Kinesis API". The code is one that no client retries.
        O::AcknowledgeDeadLetterQueueRecords
        | O::AcknowledgeQueueRecords
        | O::CreateChannel
        | O::CreateQueue
        | O::DeleteChannel
        | O::DeleteQueue
        | O::DescribeChannel
        | O::DescribeQueue
        | O::ListChannels
        | O::ListQueues
        | O::ReceiveDeadLetterQueueRecords
        | O::ReceiveQueueRecords
        | O::RestoreDeadLetterQueueRecords
        | O::UpdateChannel
        | O::UpdateDeadLetterQueueRecordsVisibility
        | O::UpdateQueue
        | O::UpdateQueueRecordsVisibility => Err(ErrorBody::not_implemented(operation).into()),
    }
}

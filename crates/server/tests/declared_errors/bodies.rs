//! A body for each operation that would succeed, given a stream of two shards in the right state.

use rheos_wire::Operation;
use serde_json::{Value, json};

/// The ARN of a stream.
pub(crate) fn arn(stream: &str) -> String {
    format!("arn:aws:kinesis:us-east-1:000000000000:stream/{stream}")
}

/// A policy for a stream.
fn policy(stream: &str) -> String {
    let statement = json!({"Effect": "Allow", "Principal": {"AWS": "111111111111"}, "Action": "kinesis:GetRecords",
                           "Resource": arn(stream)});
    json!({"Version": "2012-10-17", "Statement": [statement]}).to_string()
}

/// What to call an operation of streams with, about this one.
pub(crate) fn body(operation: Operation, stream: &str) -> Value {
    use Operation as O;
    let mut body = match operation {
        O::AddTagsToStream => json!({"Tags": {"k": "v"}}),
        O::CreateStream => return json!({"StreamName": stream, "ShardCount": 1}),
        O::DecreaseStreamRetentionPeriod => json!({"RetentionPeriodHours": 24}),
        O::IncreaseStreamRetentionPeriod => json!({"RetentionPeriodHours": 72}),
        O::DisableEnhancedMonitoring => json!({"ShardLevelMetrics": ["OutgoingBytes"]}),
        O::EnableEnhancedMonitoring => json!({"ShardLevelMetrics": ["IncomingBytes"]}),
        O::DescribeAccountSettings | O::DescribeLimits | O::ListStreams => return json!({}),
        O::UpdateAccountSettings => return json!({"MinimumThroughputBillingCommitment": {"Status": "ENABLED"}}),
        O::DescribeStream
        | O::DescribeStreamSummary
        | O::DeleteStream
        | O::ListShards
        | O::ListStreamConsumers
        | O::ListTagsForStream => json!({}),
        O::RegisterStreamConsumer => json!({"ConsumerName": "another"}),
        O::DescribeStreamConsumer | O::DeregisterStreamConsumer => json!({"ConsumerName": "c"}),
        O::GetRecords => json!({"ShardIterator": "AAAA"}),
        O::GetShardIterator => json!({"ShardId": "0", "ShardIteratorType": "LATEST"}),
        O::MergeShards => json!({"ShardToMerge": "0", "AdjacentShardToMerge": "1"}),
        O::SplitShard => json!({"ShardToSplit": "0", "NewStartingHashKey": "7"}),
        O::PutRecord => json!({"Data": "", "PartitionKey": "k"}),
        O::PutRecords => json!({"Records": [{"Data": "", "PartitionKey": "k"}]}),
        O::RemoveTagsFromStream => json!({"TagKeys": ["k"]}),
        O::StartStreamEncryption => json!({"EncryptionType": "KMS", "KeyId": "alias/another"}),
        O::StopStreamEncryption => json!({"EncryptionType": "KMS", "KeyId": "alias/aws/kinesis"}),
        O::UpdateMaxRecordSize => json!({"MaxRecordSizeInKiB": 2048}),
        O::UpdateShardCount => json!({"TargetShardCount": 3, "ScalingType": "UNIFORM_SCALING"}),
        O::UpdateStreamMode => json!({"StreamModeDetails": {"StreamMode": "PROVISIONED"}}),
        O::UpdateStreamRecordDistributionStrategy => json!({"RecordDistributionStrategy": "AUTO"}),
        O::UpdateStreamWarmThroughput => json!({"WarmThroughputMiBps": 5}),
        O::SubscribeToShard => {
            return json!({"ConsumerARN": format!("{}/consumer/c:1", arn(stream)), "ShardId": "0",
                          "StartingPosition": {"Type": "LATEST"}});
        }
        O::DeleteResourcePolicy | O::GetResourcePolicy | O::ListTagsForResource => {
            return json!({"ResourceARN": arn(stream)});
        }
        O::PutResourcePolicy => return json!({"ResourceARN": arn(stream), "Policy": policy(stream)}),
        O::TagResource => return json!({"ResourceARN": arn(stream), "Tags": {"k": "v"}}),
        O::UntagResource => return json!({"ResourceARN": arn(stream), "TagKeys": ["k"]}),
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
        | O::UpdateQueueRecordsVisibility => panic!("{} is of channels and queues", operation.name()),
    };
    body["StreamARN"] = json!(arn(stream));
    body
}

//! Streams and shards as the wire shows them, for the operations that list and describe.

use rheos_streams::{
    BillingCommitment, ConsumerInfo, ConsumerStatus, Distribution, Mode, ShardInfo, Status, StreamInfo, WarmThroughput,
};
use rheos_types::{HashRange, StreamArn};
use rheos_wire::Timestamp;
use rheos_wire::generated::{
    self as model, Consumer, EncryptionType, HashKeyRange, RecordDistributionStrategy, SequenceNumberRange, Shard,
    StreamMode, StreamModeDetails, StreamStatus, WarmThroughputObject,
};

use super::{number, timestamp};
use rheos_wire::generated::{
    MinimumThroughputBillingCommitmentOutput, MinimumThroughputBillingCommitmentOutputStatus as CommitmentStatus,
};

pub(super) fn arn(stream: &StreamInfo) -> String {
    StreamArn { namespace: stream.namespace.clone(), name: stream.name.clone() }.to_string()
}

pub(super) fn status(status: Status) -> StreamStatus {
    match status {
        Status::Creating => StreamStatus::Creating,
        Status::Active => StreamStatus::Active,
        Status::Updating => StreamStatus::Updating,
        Status::Deleting => StreamStatus::Deleting,
    }
}

pub(super) fn mode(mode: Mode) -> StreamModeDetails {
    let stream_mode = match mode {
        Mode::Provisioned => StreamMode::Provisioned,
        Mode::OnDemand => StreamMode::OnDemand,
    };
    StreamModeDetails { stream_mode }
}

/// The mode that a caller names.
pub(super) fn mode_of(details: StreamModeDetails) -> Mode {
    match details.stream_mode {
        StreamMode::Provisioned => Mode::Provisioned,
        StreamMode::OnDemand => Mode::OnDemand,
    }
}

/// What decides the shards of a stream's records: told of streams on demand only, as the service does.
pub(super) fn distribution(stream: &StreamInfo) -> Option<RecordDistributionStrategy> {
    let strategy = match stream.distribution {
        Distribution::UserPartitionKey => RecordDistributionStrategy::UserPartitionKey,
        Distribution::Auto => RecordDistributionStrategy::Auto,
    };
    (stream.mode == Mode::OnDemand).then_some(strategy)
}

/// The distribution that a caller names.
pub(super) fn distribution_of(strategy: RecordDistributionStrategy) -> Distribution {
    match strategy {
        RecordDistributionStrategy::UserPartitionKey => Distribution::UserPartitionKey,
        RecordDistributionStrategy::Auto => Distribution::Auto,
    }
}

pub(super) fn warm(warm: WarmThroughput) -> WarmThroughputObject {
    WarmThroughputObject {
        target_mibps: Some(number(warm.target_mibps)),
        current_mibps: Some(number(warm.current_mibps)),
    }
}

/// When a stream was created: to the second, as the service tells it and takes it back in ListShards.
pub(super) fn created(stream: &StreamInfo) -> Timestamp {
    timestamp(stream.created_ms / 1000 * 1000)
}

/// What is said of records that are sealed, where nothing is said of others.
pub(super) fn of_record(sealed: bool) -> Option<EncryptionType> {
    sealed.then_some(EncryptionType::Kms)
}

/// What a description says of the records to come.
pub(super) fn encryption(stream: &StreamInfo) -> Option<EncryptionType> {
    Some(if stream.key_id.is_some() { EncryptionType::Kms } else { EncryptionType::None })
}

/// What an account has committed itself to.
pub(super) fn commitment(commitment: BillingCommitment) -> MinimumThroughputBillingCommitmentOutput {
    let of = |status| MinimumThroughputBillingCommitmentOutput {
        status,
        started_at: None,
        ended_at: None,
        earliest_allowed_end_at: None,
    };
    match commitment {
        BillingCommitment::Never => of(CommitmentStatus::Disabled),
        BillingCommitment::Enabled { started_ms, earliest_end_ms } => MinimumThroughputBillingCommitmentOutput {
            started_at: Some(timestamp(started_ms)),
            earliest_allowed_end_at: Some(timestamp(earliest_end_ms)),
            ..of(CommitmentStatus::Enabled)
        },
        BillingCommitment::Ending { started_ms, end_ms } => MinimumThroughputBillingCommitmentOutput {
            started_at: Some(timestamp(started_ms)),
            earliest_allowed_end_at: Some(timestamp(end_ms)),
            ..of(CommitmentStatus::EnabledUntilEarliestAllowedEnd)
        },
        BillingCommitment::Ended { started_ms, ended_ms } => MinimumThroughputBillingCommitmentOutput {
            started_at: Some(timestamp(started_ms)),
            ended_at: Some(timestamp(ended_ms)),
            ..of(CommitmentStatus::Disabled)
        },
    }
}

/// A consumer; when it was registered is told to the second, which is the one in its ARN.
pub(super) fn consumer(consumer: &ConsumerInfo) -> Consumer {
    let consumer_status = match consumer.status {
        ConsumerStatus::Creating => model::ConsumerStatus::Creating,
        ConsumerStatus::Active => model::ConsumerStatus::Active,
        ConsumerStatus::Deleting => model::ConsumerStatus::Deleting,
    };
    Consumer {
        consumer_name: consumer.name.to_string(),
        consumer_arn: consumer.arn().to_string(),
        consumer_status,
        consumer_creation_timestamp: timestamp(consumer.created_ms / 1000 * 1000),
    }
}

pub(super) fn shards(shards: &[ShardInfo]) -> Vec<Shard> {
    shards.iter().map(shard).collect()
}

fn shard(shard: &ShardInfo) -> Shard {
    Shard {
        shard_id: shard.id.to_string(),
        parent_shard_id: shard.parent.map(|parent| parent.to_string()),
        adjacent_parent_shard_id: shard.adjacent_parent.map(|parent| parent.to_string()),
        hash_key_range: hash_key_range(shard.range),
        sequence_number_range: SequenceNumberRange {
            starting_sequence_number: shard.starting.to_string(),
            ending_sequence_number: shard.ending.map(|ending| ending.to_string()),
        },
    }
}

fn hash_key_range(range: HashRange) -> HashKeyRange {
    HashKeyRange { starting_hash_key: range.start.to_string(), ending_hash_key: range.end.to_string() }
}

//! Kinesis Data Streams: one file for each operation. An operation's file only translates: from the words of the wire to
//! those of the streams, and back. What they share is here and in [`naming`] and [`describe`].

mod describe;
mod dry_run;
mod monitoring;
mod naming;
pub(crate) mod rate;
mod records;

pub(crate) mod add_tags_to_stream;
pub(crate) mod create_stream;
pub(crate) mod decrease_stream_retention_period;
pub(crate) mod delete_resource_policy;
pub(crate) mod delete_stream;
pub(crate) mod deregister_stream_consumer;
pub(crate) mod describe_account_settings;
pub(crate) mod describe_limits;
pub(crate) mod describe_stream;
pub(crate) mod describe_stream_consumer;
pub(crate) mod describe_stream_summary;
pub(crate) mod disable_enhanced_monitoring;
pub(crate) mod enable_enhanced_monitoring;
pub(crate) mod get_records;
pub(crate) mod get_resource_policy;
pub(crate) mod get_shard_iterator;
pub(crate) mod increase_stream_retention_period;
pub(crate) mod list_shards;
pub(crate) mod list_stream_consumers;
pub(crate) mod list_streams;
pub(crate) mod list_tags_for_resource;
pub(crate) mod list_tags_for_stream;
pub(crate) mod merge_shards;
pub(crate) mod put_record;
pub(crate) mod put_records;
pub(crate) mod put_resource_policy;
pub(crate) mod register_stream_consumer;
pub(crate) mod remove_tags_from_stream;
pub(crate) mod split_shard;
pub(crate) mod start_stream_encryption;
pub(crate) mod stop_stream_encryption;
pub(crate) mod subscribe_to_shard;
pub(crate) mod tag_resource;
pub(crate) mod untag_resource;
pub(crate) mod update_account_settings;
pub(crate) mod update_max_record_size;
pub(crate) mod update_shard_count;
pub(crate) mod update_stream_mode;
pub(crate) mod update_stream_record_distribution_strategy;
pub(crate) mod update_stream_warm_throughput;

use std::sync::Arc;
use std::time::Duration;

use rheos_streams::Streams;
use rheos_types::{Clock, Namespace, StreamName};
use rheos_wire::Timestamp;

use crate::admission::Admission;
use crate::fault::{FaultLog, chain};
use crate::spawn::Spawner;
use crate::subscribers::Subscribers;

pub(crate) use naming::{ConsumerTarget, RequestError, ResourceTarget, Target};

/// What the operations work on.
pub(crate) struct Kinesis {
    pub(crate) streams: Streams,
    pub(crate) admission: Arc<Admission>,
    /// How long a read may wait for memory.
    pub(crate) memory_wait: Duration,
    /// Whether streams are described with their ids, see [`crate::config::Config::stream_ids`].
    pub(crate) shows_stream_ids: bool,
    pub(crate) subscribers: Arc<Subscribers>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) faults: Arc<FaultLog>,
    /// How long GetRecords waits at the tip for a record, of streams whose limits are open.
    pub(crate) long_poll: Duration,
    /// Who runs what goes on without its caller.
    pub(crate) spawner: Spawner,
}

impl Kinesis {
    /// Says in our log that a stream's tag does not choose its limits. Whoever wrote it was told that it is a tag, as any
    /// other.
    fn note_unreadable_limits(&self, namespace: &Namespace, stream: &StreamName) {
        if let Some(unreadable) = self.streams.unreadable_limits(namespace, stream) {
            tracing::warn!(error = %chain(&unreadable), "a stream's limits");
        }
    }
}

/// A number that the model keeps at zero or above.
fn count(number: i32) -> u32 {
    u32::try_from(number).unwrap_or(0)
}

/// A number for a member that holds no more than this.
fn number(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// A moment that a caller names; one before 1970 is as good as 1970.
fn epoch_ms(timestamp: Timestamp) -> u64 {
    u64::try_from(timestamp.0).unwrap_or(0)
}

/// A moment to tell a caller.
fn timestamp(epoch_ms: u64) -> Timestamp {
    Timestamp(i64::try_from(epoch_ms).unwrap_or(i64::MAX))
}

//! What Kinesis means: streams and their shards, appending, reading, resharding, limits and retention.
//!
//! Knows no wire (no HTTP, no JSON of the API, no message texts) and no medium (only [`rheos_log::Log`]). Each verb is a
//! chapter of its own with one error enum that lists exactly what can happen to it; facts are small structs (`facts.rs`)
//! that carry what the texts on the wire need.
//!
//! # How it hangs together
//! * The truth is the log's catalog: one record for a stream, one for each of its shards and
//!   consumers (`catalog.rs`).
//! * [`Streams`] keeps a view of it in memory (`view.rs`), which the log brings up to date after each durable batch and
//!   *before* the replies of that batch are released: whoever was answered sees what was answered.
//! * A verb that changes a stream reads the view, decides, and commits on condition that the stream's record is still
//!   the one it read; if it is not, it decides again ([`Streams`]' `change`). There is no lock.
//! * What takes time (CREATING, UPDATING, DELETING; retention) is written down as an intent with a due time and carried
//!   out by [`Streams::tick`], the one step function that the server's ticker drives. A restart in the middle finds the
//!   intent and finishes it.
//! * Shards become others in one place, whoever wants it (`reshape.rs`): splits and merges by hand, changes of their
//!   number (`plan.rs` says by which splits and merges), and the growth of streams on demand (`growth.rs`).
//!
//! # Invariants
//! * A sealed record is opened below everything that reads, or not served.
//! * The next iterator is absent if and only if child shards are named: [`Onward`] cannot say otherwise.
//! * The open shards of a stream that serves cover the key space exactly once, in every view.
//! * A shard's create second exceeds its parents' and every one that its stream's name ever used before.
//! * Retention never goes back: the stream's horizon only rises and is recorded in the same commit that raises the
//!   retention.

mod account;
mod append;
mod buckets;
mod calls;
mod catalog;
mod consistency;
mod consumer;
mod create;
mod delete;
mod deregister_consumer;
mod describe;
mod distribution;
mod encryption;
mod facts;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod growth;
mod history;
mod iterator;
mod keys;
mod list_consumers;
mod list_shards;
mod list_streams;
mod load;
mod mode;
mod monitoring;
mod open;
mod plan;
mod policy;
mod policy_check;
mod read;
mod record_size;
mod register_consumer;
mod reshape;
mod reshard;
mod resource;
mod retention;
mod retention_clock;
mod shard_count;
mod subscribe;
mod tags;
mod tick;
mod unseal;
mod view;
mod warm;

#[cfg(test)]
mod tests;

pub use account::BillingCommitment;
pub use append::{Entry, Failure, InvalidExplicitHashKey, Outcome, PutError, PutRecordsError, Stored};
pub use calls::UnreadableLimits;
pub use catalog::{Distribution, Mode, Status};
pub use consistency::{consistent, shard_names};
pub use consumer::{ConsumerInfo, ConsumerStatus, DescribeConsumerError};
pub use create::{CreateError, CreateStream};
pub use delete::DeleteError;
pub use deregister_consumer::DeregisterConsumerError;
pub use describe::{AccountLimits, DescribeError, ShardInfo, StreamDescription, StreamInfo, WarmThroughput};
pub use distribution::DistributionError;
pub use encryption::EncryptionError;
pub use facts::{
    CallsExceeded, ConsumerNotFound, HashKeyOutOfRange, NotActive, OnDemandStream, OverOnDemandLimit, OverShardLimit,
    ProvisionedStream, RateExceeded, ShardClosed, ShardIdInvalid, ShardNotFound, StreamNotFound, TokenError, TooOften,
};
pub use iterator::{IteratorError, IteratorKind, IteratorRequest, OpenIteratorError};
pub use keys::{KeyService, KeyUnavailable};
pub use list_consumers::{ConsumerPage, ListConsumers, ListConsumersError};
pub use list_shards::{ListShards, ListShardsError, ShardFilter, ShardPage, ShardsToken};
pub use list_streams::StreamPage;
pub use mode::ModeError;
pub use monitoring::{Monitoring, MonitoringError, ShardMetric};
pub use open::{Config, OpenError, Streams};
pub use policy::{DeletePolicyError, PutPolicyError};
pub use policy_check::{PolicyFlaw, PolicyProblem};
pub use read::{ChildShard, Onward, ReadError, Record, Records};
pub use record_size::RecordSizeError;
pub use register_consumer::RegisterConsumerError;
pub use reshard::{MergeError, SplitError};
pub use resource::ResourceError;
pub use retention::RetentionError;
pub use rheos_log::LogError;
pub use rheos_types::token::ShardIterator;
pub use shard_count::{ShardCountChange, ShardCountError};
pub use subscribe::{Event, Offer, SubscribeError, Subscription, SubscriptionEnd};
pub use tags::{TagError, TagPage, TagRefusal};
pub use tick::{Tick, TickProblem};
pub use unseal::{SealedRecord, WhySealed};
pub use warm::{WarmError, WarmRefusal};

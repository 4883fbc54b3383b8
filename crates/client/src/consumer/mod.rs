//! A consumer: workers that share the shards of a stream among them, as the KCL does, with its lease table and so with its workers.
//!
//! * [`RecordProcessor`]: what an application implements
//! * [`Worker`]: holds leases, reads shards, calls processors
//! * [`Config`], [`Environment`]: how it behaves, and the machine that it runs on
//! * [`Kinesis`]: the service, as far as a worker needs it
//! * [`DeadLetters`]: where records go that cannot be processed
//! * [`MetricsPublisher`]: who is told what a worker measures
//!
//! What an application may rely on, if its processors return `Ok` only for what they have processed and checkpoint only that:
//! every record is processed at least once and none is left out without the configuration's word; the records of a shard come in their order, and
//! after all those of its parents; a record comes again only after a failure, after a worker's death, or after a lease has moved without its
//! owner's consent.

mod assignment;
#[cfg(feature = "aws")]
mod cloudwatch;
mod config;
mod cpu;
mod dead_letters;
mod delivery;
mod duties;
mod held;
mod kinesis;
mod metrics;
mod processor;
mod reader;
mod records;
mod reporting;
#[cfg(feature = "aws")]
mod sdk;
mod shard;
mod sync;
mod worker;

#[cfg(test)]
mod fleet;

#[cfg(feature = "aws")]
pub use cloudwatch::CloudWatchMetrics;
pub use config::{
    Assignment, Balance, Config, Environment, InitialPosition, Misplaced, Poison, Retrieval, Retry, Spawn, TokioSpawn,
};
pub use cpu::{Cpu, CpuTime, SystemCpu};
pub use dead_letters::{DeadLetter, DeadLetterEntry, DeadLetters, KeptLetter};
pub use held::{State, Status};
pub use kinesis::{
    ChildShard, Kinesis, KinesisError, KinesisFuture, Page, ReadFrom, Shard, ShardFilter, ShardRecord, Subscription,
};
pub use metrics::{Datum, MetricsConfig, MetricsLevel, MetricsPublisher, Unit};
pub use processor::{
    Batch, CheckpointError, Checkpointer, Initialization, Prepared, ProcessorError, ProcessorFactory, Record,
    RecordProcessor, StartOver,
};
#[cfg(feature = "aws")]
pub use sdk::{DeadLetterStream, SdkKinesis};
pub use worker::{Services, Worker, WorkerHandle};

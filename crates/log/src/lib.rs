//! The storage engine of Rheos: a log of batches, and everything that is a view of it.
//!
//! # What is guaranteed
//! * An append or a commit that was answered with `Ok` is durable, and is found again, in order and once, at every later
//!   opening, until it is trimmed or dropped.
//! * Readers and observers see only what is durable.
//! * One that was answered with an error other than [`LogError::Unknown`] did not happen. One that was not answered
//!   happened whole or not at all.
//! * A log that cannot keep this stops: a failed sync is never tried again.
//!
//! # The way of a record
//! [`RunBuilder`] encodes it once → [`Log::append`] queues it (bounded) → the writer sequences it, lays out one batch
//! and makes it durable on the [`medium`] → readers see the same bytes in the tail → when its log file is full the
//! housekeeper copies them into a segment.
//!
//! Nothing here knows what a stream is, and nothing above knows what a file is.

mod backup;
mod batch;
mod change;
mod check;
mod codec;
mod engine;
pub mod files;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod log;
pub mod medium;
mod record;
mod repair;
mod start;
mod state;
mod steps;

#[cfg(test)]
mod tests;

pub use backup::{Backup, BackupError, Restored, backup, restore};
pub use batch::{ALIGN, Batch, FORMAT, Header, HeaderAt, ParsedBatch, Place};
pub use change::{Change, Condition, Conflict, Key, Transaction, Versioned};
pub use check::{CheckReport, Finding, Progress, check, check_with};
pub use engine::housekeeper::Housekeeper;
pub use engine::writer::{Fatal, Writer};
pub use log::{Appended, Log, LogError, Observer, Opened, Options, ReadError, ShardInfo, Spawn, open};
pub use medium::OpenError;
pub use record::{Block, RecordFlags, RecordRef, Run, RunBuilder};
pub use repair::{Consistent, Cut, Kept, Lost, Plan, Repair, RepairError, Repaired};
pub use start::{SystemThreads, memory_log, open_disk};
pub use steps::Steps;

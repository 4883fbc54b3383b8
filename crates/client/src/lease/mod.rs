//! Leases: which worker of an application processes which shard, and how far it has come.
//!
//! * [`Checkpoint`]: a place in a shard
//! * [`Lease`]: one shard's row, as the KCL for Java writes it
//! * [`LeaseTable`]: what workers do to leases, with what each change expects
//! * [`LeaseStore`]: where the rows are: [`MemoryLeaseStore`] or [`DynamoDbLeaseStore`]
//! * [`coordinator`]: who leads, and how busy the workers are

mod checkpoint;
mod codec;
pub mod coordinator;
#[cfg(feature = "aws")]
mod dynamodb;
mod memory;
pub mod store;
mod table;

#[cfg(test)]
mod conformance;

pub use checkpoint::{Checkpoint, InvalidCheckpoint, RecordNumber};
pub use codec::{InvalidLease, Lease, Pending};
#[cfg(feature = "aws")]
pub use dynamodb::DynamoDbLeaseStore;
pub use memory::MemoryLeaseStore;
pub use store::{LeaseStore, StoreError};
pub use table::{Changed, LeaseError, LeaseTable, Progress};

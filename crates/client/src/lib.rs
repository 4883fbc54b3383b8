//! Libraries for programs that write to Kinesis and read from it, in place of Amazon's KPL and KCL: they run against Rheos and
//! against AWS alike, and share streams and applications with programs that use Amazon's.
//!
//! * [`producer`]: user records, batched, packed, tried again, each with its outcome
//! * [`aggregation`]: many user records in one record of Kinesis, in the format of the KPL
//! * [`consumer`]: workers that share the shards of a stream among them
//! * [`lease`]: the table by which they share, which is that of the KCL
//! * [`multilang`]: what the KCL's daemon for other languages speaks with their programs, and the file that it is set up by
//!
//! Nothing here knows how Rheos stores or serves: what it knows of a server is the API.

pub mod aggregation;
pub mod consumer;
mod figures;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod lease;
pub mod multilang;
pub mod producer;

pub use figures::Figures;

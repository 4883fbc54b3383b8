//! The words of Rheos as types: names, ARNs, hash ranges, sequence numbers, iterators, limits, time and randomness.
//!
//! No I/O and no async. A value of one of these types has been checked where it came in and is trusted from there on.
//!
//! * [`name`], [`arn`]: accounts, regions, streams, their consumers and how they are written
//! * [`hash`]: partition keys to 128-bit hash keys, ranges of them
//! * [`shard`]: shard ids as Kinesis prints them, shard keys as the log knows them
//! * [`stream_id`]: another name for a stream, its alone for good
//! * [`sequence`]: the 56-digit sequence number
//! * [`key_id`]: how a key of the key service is named
//! * [`seal`]: the keys that records at rest are sealed under, and the bytes of a sealed record
//! * [`token`]: shard iterators and next tokens, sealed so that nobody can make one up
//! * [`limits`]: every number that the service publishes, in one place
//! * [`time`], [`random`]: the clock and the dice, as parameters

pub mod arn;
pub mod hash;
pub mod key_id;
pub mod limits;
pub mod name;
pub mod random;
pub mod seal;
pub mod sequence;
pub mod shard;
pub mod stream_id;
pub mod time;
pub mod token;

pub use arn::{ConsumerArn, ResourceArn, StreamArn};
pub use hash::{HashKey, HashRange};
pub use key_id::{InvalidKeyId, KeyId};
pub use name::{AccountId, ConsumerName, Namespace, Region, StreamName, TableName};
pub use random::{Random, SystemRandom};
pub use sequence::{Digits, SequenceDigits, SequenceNumber};
pub use shard::{ShardId, ShardKey};
pub use stream_id::StreamId;
pub use time::{Clock, SystemClock};

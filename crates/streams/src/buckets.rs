//! The published limits of shards, streams and accounts, as token buckets.
//!
//! A bucket counts what has been *used* and drains at the limit's rate; a full second's worth may be used at once. So a
//! new bucket is 0, one that nobody uses stays 0, and a limit can change under it.
//!
//! Buckets belong to what exists (a shard, a stream), so that names which anyone can invent take no memory. Those of
//! accounts are the exception, and bounded ([`AccountBuckets`]).

use crate::load::Load;
use rheos_types::Namespace;
use rheos_types::limits::{Call, Limits};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// After this long without use every bucket is empty: none holds more than a second's worth.
const EMPTY_AFTER_MS: u64 = 1000;
/// Accounts and regions whose calls are counted at a time.
const ACCOUNTS: usize = 1024;

/// What is used of one limit, in thousandths of a unit: a rate per second is then whole units per millisecond.
#[derive(Debug, Default, Clone, Copy)]
struct Used {
    milli: u64,
    at_ms: u64,
}

impl Used {
    /// Lets flow off what time has freed since the last look.
    fn drain(&mut self, now_ms: u64, per_s: u64) {
        let elapsed = now_ms.saturating_sub(self.at_ms);
        self.milli = self.milli.saturating_sub(elapsed.saturating_mul(per_s));
        self.at_ms = self.at_ms.max(now_ms);
    }

    /// Whether `amount` more fits into one second's worth; more than that fits into an empty bucket only.
    fn fits(&self, amount: u64, per_s: u64) -> bool {
        self.milli + amount.min(per_s) * 1000 <= per_s * 1000
    }

    fn add(&mut self, amount: u64) {
        self.milli = self.milli.saturating_add(amount.saturating_mul(1000));
    }
}

/// One limit that may not be in force.
fn within(used: &mut Used, amount: u64, limit: Option<u64>, now_ms: u64) -> bool {
    limit.is_none_or(|per_s| {
        used.drain(now_ms, per_s);
        used.fits(amount, per_s)
    })
}

/// Records and bytes into a shard.
#[derive(Debug, Default)]
pub(crate) struct WriteBucket {
    records: Used,
    bytes: Used,
    /// What was let through.
    pub(crate) load: Load,
}

impl WriteBucket {
    /// Takes room for one record, or nothing.
    pub(crate) fn take(&mut self, bytes: u64, limits: &Limits, now_ms: u64) -> bool {
        let fits = within(&mut self.records, 1, limits.write_records_per_s, now_ms)
            && within(&mut self.bytes, bytes, limits.write_bytes_per_s, now_ms);
        if fits {
            self.records.add(1);
            self.bytes.add(bytes);
            self.load.add(bytes, now_ms);
        }
        fits
    }
}

/// Calls and bytes out of a shard.
///
/// How much a read gives is known only afterwards, so the bytes may run into debt. A reader in debt waits until all of
/// it is paid: after an answer of 10 MiB at 2 MiB/s for 5 seconds, as the service has it.
#[derive(Debug, Default)]
pub(crate) struct ReadBucket {
    calls: Used,
    bytes: Used,
    in_debt: bool,
}

impl ReadBucket {
    /// Takes room for one call, or nothing.
    pub(crate) fn take(&mut self, limits: &Limits, now_ms: u64) -> bool {
        if let Some(per_s) = limits.read_bytes_per_s {
            self.bytes.drain(now_ms, per_s);
            self.in_debt &= self.bytes.milli > 0;
            if self.in_debt || self.bytes.milli >= per_s * 1000 {
                return false;
            }
        }
        let fits = within(&mut self.calls, 1, limits.reads_per_s, now_ms);
        if fits {
            self.calls.add(1);
        }
        fits
    }

    /// Counts the bytes that a call gave.
    pub(crate) fn gave(&mut self, bytes: u64, limits: &Limits) {
        if let Some(per_s) = limits.read_bytes_per_s {
            self.bytes.add(bytes);
            self.in_debt |= self.bytes.milli > per_s * 1000;
        }
    }
}

/// Bytes to one subscriber of a shard. As with reads, how much there is is known only afterwards.
#[derive(Debug, Default)]
pub(crate) struct FlowBucket(Used);

impl FlowBucket {
    /// Counts the bytes that an event gave.
    pub(crate) fn gave(&mut self, bytes: u64, limits: &Limits, now_ms: u64) {
        if let Some(per_s) = limits.subscribe_bytes_per_s {
            self.0.drain(now_ms, per_s);
            self.0.add(bytes);
        }
    }

    /// How long until less than a second's worth is used.
    pub(crate) fn wait_ms(&mut self, limits: &Limits, now_ms: u64) -> u64 {
        let Some(per_s) = limits.subscribe_bytes_per_s else { return 0 };
        self.0.drain(now_ms, per_s);
        self.0.milli.saturating_sub(per_s * 1000).div_ceil(per_s.max(1))
    }
}

/// Calls of one operation on one thing.
#[derive(Debug, Default)]
pub(crate) struct CallBucket(Used);

impl CallBucket {
    /// Takes room for one call, or nothing.
    pub(crate) fn take(&mut self, per_s: Option<u64>, now_ms: u64) -> bool {
        let fits = within(&mut self.0, 1, per_s, now_ms);
        if fits {
            self.0.add(1);
        }
        fits
    }
}

/// Calls of all operations on one thing: no more buckets than there are operations.
#[derive(Debug, Default)]
pub(crate) struct CallBuckets(Mutex<Vec<(Call, CallBucket)>>);

impl CallBuckets {
    /// Takes room for one call, or nothing.
    pub(crate) fn take(&self, call: Call, per_s: Option<u64>, now_ms: u64) -> bool {
        if per_s.is_none() {
            return true;
        }
        take_of(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), call, per_s, now_ms)
    }
}

fn take_of(buckets: &mut Vec<(Call, CallBucket)>, call: Call, per_s: Option<u64>, now_ms: u64) -> bool {
    let at = buckets.iter().position(|(known, _)| *known == call).unwrap_or_else(|| {
        buckets.push((call, CallBucket::default()));
        buckets.len() - 1
    });
    buckets[at].1.take(per_s, now_ms)
}

/// Calls by account and region.
///
/// Any region can be signed for, so those whose buckets are empty are forgotten when there are too many. Should more be
/// busy within a second than are kept, further ones have to wait for that second.
#[derive(Debug, Default)]
pub(crate) struct AccountBuckets(Mutex<HashMap<Namespace, Vec<(Call, CallBucket)>>>);

impl AccountBuckets {
    /// Takes room for one call, or nothing.
    pub(crate) fn take(&self, namespace: &Namespace, call: Call, per_s: Option<u64>, now_ms: u64) -> bool {
        if per_s.is_none() {
            return true;
        }
        let mut accounts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(buckets) = accounts.get_mut(namespace) {
            return take_of(buckets, call, per_s, now_ms);
        }
        if accounts.len() >= ACCOUNTS {
            let is_empty = |(_, bucket): &(Call, CallBucket)| now_ms >= bucket.0.at_ms.saturating_add(EMPTY_AFTER_MS);
            accounts.retain(|_, buckets| !buckets.iter().all(is_empty));
        }
        accounts.len() < ACCOUNTS && take_of(accounts.entry(namespace.clone()).or_default(), call, per_s, now_ms)
    }
}

/// What is used of one shard's limits. Held for a few instructions at a time.
#[derive(Debug, Default)]
pub(crate) struct ShardBuckets {
    write: Mutex<WriteBucket>,
    read: Mutex<ReadBucket>,
    /// GetShardIterator.
    pub(crate) calls: CallBuckets,
}

impl ShardBuckets {
    pub(crate) fn write<T>(&self, f: impl FnOnce(&mut WriteBucket) -> T) -> T {
        f(&mut self.write.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn read<T>(&self, f: impl FnOnce(&mut ReadBucket) -> T) -> T {
        f(&mut self.read.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rheos_types::limits::Profile;

    const MIB: u64 = 1 << 20;

    #[test]
    fn a_thousand_records_and_then_one_a_millisecond() {
        let limits = Profile::Aws.limits();
        let mut bucket = WriteBucket::default();
        assert!((0..1000).all(|_| bucket.take(1, &limits, 50)));
        assert!(!bucket.take(1, &limits, 50));
        assert!(bucket.take(1, &limits, 51));
        assert!(!bucket.take(1, &limits, 51));
        assert!((0..1000).all(|_| bucket.take(1, &limits, 2000)), "full again after a second");
        assert!(!bucket.take(1, &limits, 2000));
    }

    #[test]
    fn one_mebibyte_and_a_refusal_takes_nothing() {
        let limits = Profile::Aws.limits();
        let mut bucket = WriteBucket::default();
        assert!(bucket.take(MIB - 10, &limits, 0));
        assert!(!bucket.take(11, &limits, 0));
        assert!(bucket.take(10, &limits, 0));
        assert!(!bucket.take(1, &limits, 0));
        assert!(bucket.take(1, &limits, 1));
    }

    #[test]
    fn a_record_larger_than_a_seconds_worth_needs_an_empty_bucket_and_blocks_for_its_size() {
        let limits = Profile::Aws.limits();
        let mut bucket = WriteBucket::default();
        assert!(bucket.take(1, &limits, 0));
        assert!(!bucket.take(3 * MIB, &limits, 0));
        assert!(bucket.take(3 * MIB, &limits, 1));
        assert!(!bucket.take(1, &limits, 2000));
        assert!(bucket.take(1, &limits, 2002));
    }

    #[test]
    fn five_reads_a_second() {
        let limits = Profile::Aws.limits();
        let mut bucket = ReadBucket::default();
        assert!((0..5).all(|_| bucket.take(&limits, 7)));
        assert!(!bucket.take(&limits, 7));
        assert!(!bucket.take(&limits, 206));
        assert!(bucket.take(&limits, 207));
        assert!(!bucket.take(&limits, 207));
    }

    #[test]
    fn ten_mebibytes_silence_a_shard_for_five_seconds() {
        let limits = Profile::Aws.limits();
        let mut bucket = ReadBucket::default();
        assert!(bucket.take(&limits, 0));
        bucket.gave(10 * MIB, &limits);
        assert!(!bucket.take(&limits, 4999));
        assert!(bucket.take(&limits, 5000));
        bucket.gave(MIB, &limits);
        assert!(bucket.take(&limits, 5000), "one of two mebibytes is used");
        bucket.gave(MIB, &limits);
        assert!(!bucket.take(&limits, 5000));
        assert!(bucket.take(&limits, 5001));
    }

    #[test]
    fn calls_are_counted_for_each_operation() {
        let buckets = CallBuckets::default();
        let take = |call, now_ms| buckets.take(call, Profile::Aws.limits().calls_per_s.of(call), now_ms);
        assert!((0..5).all(|_| take(Call::SplitShard, 9)));
        assert!(!take(Call::SplitShard, 9));
        assert!(take(Call::MergeShards, 9), "another operation has its own");
        assert!(!take(Call::SplitShard, 208));
        assert!(take(Call::SplitShard, 209));
        assert!((0..5).all(|_| take(Call::SplitShard, 1209)), "full again after a second");
        assert!((0..100).all(|_| buckets.take(Call::SplitShard, None, 1209)));
    }

    #[test]
    fn as_many_calls_pass_as_may_whoever_calls_at_once() {
        let buckets = CallBuckets::default();
        let takes = |_| (0..1000).filter(|_| buckets.take(Call::ListShards, Some(1000), 5)).count();
        let passed: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|thread| scope.spawn(move || takes(thread))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(passed, 1000);
    }

    #[test]
    fn accounts_are_bounded_and_forgotten_when_idle() {
        let buckets = AccountBuckets::default();
        let account = rheos_types::AccountId::new("000000000000").unwrap();
        let of = |number: usize| {
            let region = rheos_types::Region::new(&format!("r-{number}")).unwrap();
            Namespace { account: account.clone(), region }
        };
        let take = |number, now_ms| buckets.take(&of(number), Call::DescribeLimits, Some(1), now_ms);
        assert!((0..ACCOUNTS).all(|number| take(number, 0)));
        assert!(!take(0, 0));
        assert!(!take(ACCOUNTS, 999), "as many as are kept are busy");
        assert!(take(ACCOUNTS, 1000));
        assert_eq!(buckets.0.lock().unwrap().len(), 1, "the others were idle");
    }

    #[test]
    fn open_limits_are_none() {
        let limits = Profile::Open.limits();
        let (mut write, mut read) = (WriteBucket::default(), ReadBucket::default());
        assert!((0..10_000).all(|_| write.take(MIB, &limits, 0)));
        for _ in 0..100 {
            assert!(read.take(&limits, 0));
            read.gave(10 * MIB, &limits);
        }
    }
}

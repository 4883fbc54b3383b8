//! How much is written into a shard, for streams on demand to know when they are to grow. Measured where the shard's
//! limits are held: a few additions under a lock that is taken anyway, once for each call and shard.

use rheos_types::HashKey;

/// A window begins anew when it is this old: nobody looks at the loads of provisioned streams.
const STALE_MS: u64 = 60_000;

/// What went into a shard since it was last looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Load {
    since_ms: u64,
    pub(crate) bytes: u64,
    pub(crate) records: u64,
    /// The lowest and the highest hash key, if keys decided the shard.
    pub(crate) keys: Option<(HashKey, HashKey)>,
}

impl Load {
    /// Counts one record.
    pub(crate) fn add(&mut self, bytes: u64, now_ms: u64) {
        if now_ms.saturating_sub(self.since_ms) >= STALE_MS {
            *self = Self { since_ms: now_ms, ..Self::default() };
        }
        self.bytes = self.bytes.saturating_add(bytes);
        self.records = self.records.saturating_add(1);
    }

    /// Notes a record's hash key.
    pub(crate) fn saw(&mut self, key: HashKey) {
        let (low, high) = self.keys.unwrap_or((key, key));
        self.keys = Some((low.min(key), high.max(key)));
    }

    /// What there was, and begins a new window.
    pub(crate) fn take(&mut self, now_ms: u64) -> Self {
        std::mem::replace(self, Self { since_ms: now_ms, ..Self::default() })
    }

    /// Since when it was counted, on the monotonic clock.
    pub(crate) fn age_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.since_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_that_nobody_looks_at_begins_anew() {
        let mut load = Load::default();
        load.add(5, 1_000_000);
        load.add(7, 1_000_000 + STALE_MS - 1);
        [9, 3, 4].map(HashKey).into_iter().for_each(|key| load.saw(key));
        assert_eq!((load.bytes, load.records, load.keys), (12, 2, Some((HashKey(3), HashKey(9)))));
        load.add(1, 1_000_000 + STALE_MS);
        assert_eq!(load, Load { since_ms: 1_000_000 + STALE_MS, bytes: 1, records: 1, keys: None });
        let taken = load.take(2_000_000);
        assert_eq!((taken.bytes, load.bytes, load.age_ms(2_000_005)), (1, 0, 5));
    }
}

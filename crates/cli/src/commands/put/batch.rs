//! Lines gathered into requests that Kinesis takes: at most 500 records and 5 MiB, a larger record alone.

use std::collections::HashSet;

/// Records in one PutRecords call.
const RECORDS_MAX: usize = 500;
/// Bytes of keys and data in one call. Kinesis takes 10 MiB since October 2025, other servers and older ones 5.
const BYTES_MAX: usize = 5 << 20;
/// No record is larger than a whole call may be.
pub(crate) const RECORD_MAX: usize = 10 << 20;

/// A record to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) data: Vec<u8>,
}

impl Entry {
    /// What counts against the limits.
    pub(crate) fn size(&self) -> usize {
        self.key.len() + self.data.len()
    }
}

/// A batch that grows.
#[derive(Debug, Default)]
pub(crate) struct Batcher {
    /// No key twice in a batch.
    strict: bool,
    entries: Vec<Entry>,
    bytes: usize,
    keys: HashSet<String>,
}

impl Batcher {
    /// An empty batch; with `strict`, no key comes twice in one batch.
    pub(crate) fn new(strict: bool) -> Self {
        Self { strict, ..Self::default() }
    }

    /// Adds an entry. Gives the batch that was there if the entry does not fit into it.
    pub(crate) fn push(&mut self, entry: Entry) -> Option<Vec<Entry>> {
        let full = self.entries.len() == RECORDS_MAX
            || (!self.entries.is_empty() && self.bytes + entry.size() > BYTES_MAX)
            || (self.strict && self.keys.contains(&entry.key));
        let done = if full { self.take() } else { None };
        self.bytes += entry.size();
        if self.strict {
            self.keys.insert(entry.key.clone());
        }
        self.entries.push(entry);
        done
    }

    /// The batch, if it holds anything.
    pub(crate) fn take(&mut self) -> Option<Vec<Entry>> {
        self.bytes = 0;
        self.keys.clear();
        let entries = std::mem::take(&mut self.entries);
        (!entries.is_empty()).then_some(entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(key: &str, size: usize) -> Entry {
        Entry { key: String::from(key), data: vec![0; size - key.len()] }
    }

    fn lengths(batcher: &mut Batcher, entries: impl IntoIterator<Item = Entry>) -> Vec<usize> {
        let mut done: Vec<_> = entries.into_iter().filter_map(|entry| batcher.push(entry)).collect();
        done.extend(batcher.take());
        done.iter().map(Vec::len).collect()
    }

    #[test]
    fn five_hundred_records() {
        let entries = (0..1001).map(|_| entry("k", 10));
        assert_eq!(lengths(&mut Batcher::new(false), entries), [500, 500, 1]);
    }

    #[test]
    fn five_mebibytes_with_keys() {
        let mebibyte = || entry("k", 1 << 20);
        assert_eq!(lengths(&mut Batcher::new(false), (0..6).map(|_| mebibyte())), [5, 1]);
        let over = (0..5).map(|_| entry("k", (1 << 20) + 1));
        assert_eq!(lengths(&mut Batcher::new(false), over), [4, 1]);
    }

    #[test]
    fn a_large_record_goes_alone() {
        let entries = [entry("k", 10), entry("k", 8 << 20), entry("k", 10)];
        assert_eq!(lengths(&mut Batcher::new(false), entries), [1, 1, 1]);
    }

    #[test]
    fn strict_batches_hold_a_key_once() {
        let entries = ["a", "b", "a", "c", "c"].map(|key| entry(key, 10));
        assert_eq!(lengths(&mut Batcher::new(true), entries), [2, 2, 1]);
        assert_eq!(Batcher::new(true).take(), None);
    }
}

//! What repairs could not save, as the file `LOST` in the data directory keeps it: so that a later check knows a loss that
//! was named from one that is new.

use crate::files::{Files, read_exact_at};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

const NAME: &str = "LOST";
const MAX_BYTES: u64 = 64 << 20;

/// Positions of a shard whose records are lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The shard, by its key in the log.
    pub shard: u64,
    /// The first position.
    pub first: u64,
    /// The position behind the last.
    pub next: u64,
    /// When the last record before them arrived, in milliseconds since 1970; 0 if there is none.
    pub after_ms: u64,
    /// When the first record behind them arrived, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before_ms: Option<u64>,
    /// Nobody knows how many of the positions were ever given to a record: they are passed over so that none is given
    /// twice.
    #[serde(default)]
    pub passed_over: bool,
}

/// The losses that `directory` knows of. A file that cannot be read is none: then the check names them again.
pub(super) fn load(files: &dyn Files, directory: &Path) -> Vec<Lost> {
    let read = || -> io::Result<Vec<Lost>> {
        let file = files.open_read(&directory.join(NAME))?;
        let length = file.len_bytes()?.min(MAX_BYTES);
        Ok(serde_json::from_slice(&read_exact_at(&*file, 0, length as usize)?)?)
    };
    read().unwrap_or_default()
}

/// Writes the losses down, durably.
pub(super) fn store(files: &dyn Files, directory: &Path, lost: &[Lost]) -> io::Result<()> {
    let mut bytes = serde_json::to_vec_pretty(lost)?;
    bytes.push(b'\n');
    files.replace(directory, NAME, &bytes)
}

/// The parts of `all` that `known` does not have.
pub(super) fn beyond(all: &[Lost], known: &[Lost]) -> Vec<Lost> {
    let mut beyond = Vec::new();
    for lost in all {
        let mut first = lost.first;
        let mut of_shard: Vec<&Lost> = known.iter().filter(|known| known.shard == lost.shard).collect();
        of_shard.sort_by_key(|known| known.first);
        for known in of_shard {
            if known.next <= first || known.first >= lost.next {
                continue;
            }
            if known.first > first {
                beyond.push(Lost { first, next: known.first, ..lost.clone() });
            }
            first = first.max(known.next);
        }
        if first < lost.next {
            beyond.push(Lost { first, ..lost.clone() });
        }
    }
    beyond
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lost(shard: u64, first: u64, next: u64) -> Lost {
        Lost { shard, first, next, after_ms: 0, before_ms: None, passed_over: false }
    }

    #[test]
    fn what_is_known_is_taken_out() {
        let known = [lost(1, 10, 20), lost(1, 30, 40), lost(2, 0, 100)];
        assert_eq!(beyond(&[lost(1, 10, 20)], &known), []);
        assert_eq!(beyond(&[lost(1, 5, 45)], &known), [lost(1, 5, 10), lost(1, 20, 30), lost(1, 40, 45)]);
        assert_eq!(beyond(&[lost(3, 1, 2)], &known), [lost(3, 1, 2)]);
    }
}

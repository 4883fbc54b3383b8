//! UpdateStreamRecordDistributionStrategy, and what AUTO means: the records of a stream on demand are spread evenly over
//! its open shards, whatever their keys.
//!
//! # Which shard
//! A call goes whole to one shard, and on to the next ones with what does not fit into the limits of that one. One run
//! for each call costs the log, and the readers of each shard, the least. The shards take turns, and of the one whose
//! turn it is and the next one, the one that took less lately is chosen: so calls of any sizes come to the same load
//! everywhere, and one look at two shards is enough for it. A record is refused only if no shard has room for it.

use crate::append::{Batch, Entry, Group, Outcome};
use crate::catalog::{Distribution, Intent, Mode};
use crate::facts::{NotActive, ProvisionedStream, StreamNotFound};
use crate::open::Streams;
use crate::view::StreamView;
use rheos_log::LogError;
use rheos_types::{Namespace, StreamName};
use std::sync::atomic::Ordering;

/// Why a stream's records are not distributed in another way.
#[derive(Debug, thiserror::Error)]
pub enum DistributionError {
    /// There is no such stream.
    #[error(transparent)]
    NotFound(#[from] StreamNotFound),
    /// The records of a provisioned stream go by their keys.
    #[error(transparent)]
    Provisioned(#[from] ProvisionedStream),
    /// The stream is in the middle of another change.
    #[error(transparent)]
    NotActive(#[from] NotActive),
    /// The log did not take it.
    #[error(transparent)]
    Log(#[from] LogError),
}

impl Streams {
    /// Decides what decides the shards of a stream's records, from now on. What is already so is no change, and accepted.
    ///
    /// # Errors
    /// [`DistributionError`].
    pub async fn update_distribution(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        distribution: Distribution,
    ) -> Result<(), DistributionError> {
        self.change(namespace, name, |view| {
            if view.record.distribution == distribution {
                return Ok(None);
            }
            view.require_on_demand()?;
            view.require_active()?;
            let mut record = view.record.updating(self.due_ms(), Intent::Settle);
            record.distribution = distribution;
            Ok(Some(view.becomes(&record)))
        })
        .await
    }
}

impl StreamView {
    pub(crate) fn require_on_demand(&self) -> Result<(), ProvisionedStream> {
        if self.record.mode == Mode::OnDemand {
            return Ok(());
        }
        Err(ProvisionedStream { namespace: self.namespace.clone(), stream: self.name.clone() })
    }

    /// Which of the open shards the next call begins with.
    fn turn(&self) -> usize {
        let turn = self.memory.turn.fetch_add(1, Ordering::Relaxed);
        let (one, other) = (turn % self.open.len(), turn.wrapping_add(1) % self.open.len());
        let bytes = |at: usize| self.open[at].memory.buckets.write(|bucket| bucket.load.bytes);
        if bytes(other) < bytes(one) { other } else { one }
    }
}

impl Batch {
    /// Spreads the records `left` over the open shards, of which there is at least one. `limited` is the time if they
    /// are to be held to the shards' limits; records that are spread again have been.
    pub(crate) fn spread(
        view: &StreamView,
        entries: &[Entry<'_>],
        left: &[u32],
        limited: Option<u64>,
        outcomes: &mut [Outcome],
    ) -> Self {
        let shards = view.open.len();
        let mut open = view.turn();
        let Some(now_ms) = limited else {
            return Self { groups: vec![Group { open, records: left.to_vec() }] };
        };
        let mut groups: Vec<Group> = Vec::new();
        let (mut rest, mut tried, mut refused_bytes) = (left, 0, u64::MAX);
        while let Some((first, others)) = rest.split_first() {
            let bytes = |index: u32| entries[index as usize].bytes() as u64;
            // What no shard had room for a moment ago, no shard has room for now; nor for anything larger.
            if tried == shards || bytes(*first) >= refused_bytes {
                refused_bytes = refused_bytes.min(bytes(*first));
                outcomes[*first as usize] = Outcome::Throttled { shard: view.open[open].id };
                (rest, tried) = (others, 0);
                continue;
            }
            let taken = view.open[open].memory.buckets.write(|bucket| {
                let takes =
                    |index: &&u32| bytes(**index) < refused_bytes && bucket.take(bytes(**index), &view.limits, now_ms);
                rest.iter().take_while(takes).count()
            });
            if taken > 0 {
                let (records, others) = rest.split_at(taken);
                match groups.iter_mut().find(|group| group.open == open) {
                    Some(group) => group.records.extend_from_slice(records),
                    None => groups.push(Group { open, records: records.to_vec() }),
                }
                (rest, tried) = (others, 0);
            } else {
                (open, tried) = ((open + 1) % shards, tried + 1);
            }
        }
        Self { groups }
    }
}

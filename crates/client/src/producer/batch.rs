//! User records on their way together: what becomes one record of Kinesis.

use std::borrow::Cow;
use std::sync::Arc;

use super::record::Item;
use super::settings::Settings;
use super::transport::Entry;
use crate::aggregation::Packer;

/// A record of Kinesis that waits to be sent, or is being sent.
#[derive(Debug)]
pub(super) struct Batch {
    /// At least one. Their places are their sub-sequence numbers if there are several.
    pub(super) items: Vec<Item>,
    pub(super) entry: Entry,
    /// When it is sent at the latest, if nothing keeps it.
    pub(super) send_by_ms: u64,
    /// A retry waits until then.
    pub(super) not_before_ms: u64,
    /// How many entries a call with it may have at most.
    pub(super) share: usize,
    /// The oldest flush that an item belongs to.
    pub(super) epoch: u64,
    /// When the first of its items is given up.
    pub(super) deadline_ms: u64,
    /// The lane, and the version of the routes, that it was made for.
    pub(super) lane: usize,
    pub(super) version: u64,
    /// The shard that it is sent for, if that is known.
    pub(super) shard: Option<Arc<str>>,
}

/// An entry larger than this travels alone: a stream may allow less than the service, and then refuses the whole call.
const LARGE_BYTES: usize = 1 << 20;

impl Batch {
    /// A batch of these items, which belong to one lane; nothing of none.
    pub(super) fn of(items: Vec<Item>, packer: &mut Packer, now_ms: u64, settings: &Settings) -> Option<Self> {
        let first = items.first()?;
        let entry = if items.len() == 1 {
            *packer = Packer::new();
            Entry {
                partition_key: Cow::Owned(first.record.partition_key.clone()),
                explicit_hash_key: first.record.explicit_hash_key.clone(),
                data: first.record.data.clone(),
            }
        } else {
            let packed = packer.take()?;
            Entry {
                partition_key: packed.partition_key,
                explicit_hash_key: Some(packed.explicit_hash_key),
                data: packed.data,
            }
        };
        let share = if entry.data.len() > LARGE_BYTES { 1 } else { usize::MAX };
        let latest = first.accepted_ms + settings.record_max_buffered_ms;
        let send_by_ms = latest.min(now_ms + settings.linger_ms());
        let epoch = items.iter().map(|item| item.epoch).min()?;
        let deadline_ms = items.iter().map(|item| item.deadline_ms).min()?;
        Some(Self {
            items,
            entry,
            send_by_ms,
            not_before_ms: 0,
            share,
            epoch,
            deadline_ms,
            lane: 0,
            version: 0,
            shard: None,
        })
    }

    /// The items packed anew.
    pub(super) fn repacked(items: Vec<Item>, now_ms: u64, settings: &Settings) -> Option<Self> {
        let mut packer = Packer::new();
        if items.len() > 1 {
            for item in &items {
                packer.push(&item.user_record());
            }
        }
        Self::of(items, &mut packer, now_ms, settings)
    }

    pub(super) fn is_aggregated(&self) -> bool {
        self.items.len() > 1
    }

    /// Its place in the order of acceptance.
    pub(super) fn id(&self) -> u64 {
        self.items.first().map_or(0, |item| item.id)
    }
}

//! ListShards, with its six filters.
//!
//! A shard lives from the millisecond it was opened up to, not including, the one it was closed in, in which its
//! children open. So the shards alive at any one moment cover the key space exactly once, which the KCL insists on when
//! it makes its first leases. A time before the stream's horizon counts as the horizon: shards that ended before it are
//! gone or going.

use crate::describe::{ShardInfo, after_shard, parse_start};
use crate::facts::{NotActive, ShardIdInvalid, StreamNotFound, TokenError};
use crate::open::Streams;
use crate::view::{ShardView, StreamView};
use rheos_types::limits::{LIST_SHARDS_DEFAULT, LIST_SHARDS_MAX};
use rheos_types::{Namespace, ShardId, StreamName};
use serde::{Deserialize, Serialize};

/// Which shards are listed. What a filter needs is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ShardFilter<'a> {
    /// Every shard that still has, or may get, records. The same as no filter.
    #[default]
    FromTrimHorizon,
    /// Those that were open at the trim horizon.
    AtTrimHorizon,
    /// Those that are open.
    AtLatest,
    /// Those with a higher id.
    AfterShardId(&'a str),
    /// Those that were open at a time (epoch milliseconds).
    AtTimestamp(u64),
    /// Those that were open at a time or later.
    FromTimestamp(u64),
}

/// What is to be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListShards<'a> {
    /// List what follows this shard.
    pub exclusive_start_shard_id: Option<&'a str>,
    /// Which shards.
    pub filter: ShardFilter<'a>,
    /// When the stream was created, to the second, to tell it from others of its name.
    pub stream_created_ms: Option<u64>,
    /// How many at most; 1000 if nothing is said.
    pub max_results: Option<u32>,
}

/// A page of shards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardPage {
    /// The shards, in order of their ids.
    pub shards: Vec<ShardInfo>,
    /// Where more follow; absent on the last page.
    pub next_token: Option<String>,
}

/// Where a listing goes on: what a next token says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename = "shards", deny_unknown_fields)]
pub struct ShardsToken {
    /// The stream's account and region.
    #[serde(rename = "shards_of")]
    pub namespace: Namespace,
    /// The stream.
    pub stream: StreamName,
    /// Its creation tells it from others of its name.
    uid: crate::catalog::StreamUid,
    filter: Filter,
    after: ShardId,
}

/// A [`ShardFilter`] that has been read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Filter {
    FromTrimHorizon,
    AtTrimHorizon,
    AtLatest,
    AfterShardId(ShardId),
    AtTimestamp(u64),
    FromTimestamp(u64),
}

/// Why shards cannot be listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListShardsError {
    /// There is no such stream, or none of that creation time.
    #[error(transparent)]
    NotFound(#[from] StreamNotFound),
    /// The stream is being created or deleted.
    #[error(transparent)]
    NotActive(#[from] NotActive),
    /// What was named is no shard id.
    #[error(transparent)]
    Shard(#[from] ShardIdInvalid),
    /// The token is of a stream that has been deleted and made again.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl Streams {
    /// Lists the first page of a stream's shards.
    ///
    /// # Errors
    /// [`ListShardsError`].
    pub fn list_shards(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        request: ListShards<'_>,
    ) -> Result<ShardPage, ListShardsError> {
        let view = self.stream(namespace, name)?;
        if request.stream_created_ms.is_some_and(|ms| ms / 1000 != view.record.created_ms / 1000) {
            return Err(view.not_found().into());
        }
        let after = parse_start(&view, request.exclusive_start_shard_id)?;
        let filter = match request.filter {
            ShardFilter::FromTrimHorizon => Filter::FromTrimHorizon,
            ShardFilter::AtTrimHorizon => Filter::AtTrimHorizon,
            ShardFilter::AtLatest => Filter::AtLatest,
            ShardFilter::AtTimestamp(ms) => Filter::AtTimestamp(ms),
            ShardFilter::FromTimestamp(ms) => Filter::FromTimestamp(ms),
            ShardFilter::AfterShardId(text) => {
                Filter::AfterShardId(ShardId::parse(text).ok_or_else(|| view.no_shard(text))?)
            }
        };
        self.shard_page(&view, filter, after, request.max_results)
    }

    /// Opens a next token of this verb: the caller may then see whose shards it lists.
    ///
    /// # Errors
    /// [`TokenError`] if it is not one, or too old.
    pub fn open_shards_token(&self, text: &str) -> Result<ShardsToken, TokenError> {
        self.open_next(text)
    }

    /// Lists the page that a token stands for.
    ///
    /// # Errors
    /// [`ListShardsError`].
    pub fn list_shards_next(
        &self,
        token: &ShardsToken,
        max_results: Option<u32>,
    ) -> Result<ShardPage, ListShardsError> {
        let view = self.stream(&token.namespace, &token.stream)?;
        if view.record.uid != token.uid {
            return Err(TokenError::Invalid.into());
        }
        self.shard_page(&view, token.filter, Some(token.after), max_results)
    }

    fn shard_page(
        &self,
        view: &StreamView,
        filter: Filter,
        after: Option<ShardId>,
        max_results: Option<u32>,
    ) -> Result<ShardPage, ListShardsError> {
        if !view.record.status.serves() {
            return Err(view.not_active().into());
        }
        let limit = max_results.map_or(LIST_SHARDS_DEFAULT, |limit| LIST_SHARDS_MAX.min(limit as usize));
        // The horizon of a stream younger than its retention is its beginning.
        let horizon_ms = self.horizon_ms(&view.record).max(view.record.created_ms);
        let mut chosen = after_shard(&view.shards, after).iter().filter(|shard| filter.takes(shard, horizon_ms));
        let shards: Vec<_> = chosen.by_ref().take(limit).map(|shard| ShardInfo::of(shard)).collect();
        let next = |last: &ShardInfo| {
            self.seal_next(&ShardsToken {
                namespace: view.namespace.clone(),
                stream: view.name.clone(),
                uid: view.record.uid,
                filter,
                after: last.id,
            })
        };
        let next_token = chosen.next().and_then(|_| shards.last()).map(next);
        Ok(ShardPage { shards, next_token })
    }
}

impl Filter {
    fn takes(self, shard: &ShardView, horizon_ms: u64) -> bool {
        let opened_ms = shard.record.opened_ms;
        let closed_ms = shard.record.closed.as_ref().map(|closed| closed.at_ms);
        let ended_by = |ms| closed_ms.is_some_and(|closed_ms| closed_ms <= ms);
        match self {
            Self::AtLatest => closed_ms.is_none(),
            Self::AfterShardId(id) => shard.id > id && !ended_by(horizon_ms),
            Self::FromTrimHorizon => !ended_by(horizon_ms),
            Self::FromTimestamp(ms) => !ended_by(ms.max(horizon_ms)),
            Self::AtTrimHorizon => opened_ms <= horizon_ms && !ended_by(horizon_ms),
            Self::AtTimestamp(ms) => opened_ms <= ms.max(horizon_ms) && !ended_by(ms.max(horizon_ms)),
        }
    }
}

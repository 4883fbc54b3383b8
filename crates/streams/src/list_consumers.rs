//! ListStreamConsumers: a stream's consumers by name, a page at a time.

use crate::catalog::StreamUid;
use crate::consumer::ConsumerInfo;
use crate::facts::{NotActive, StreamNotFound, TokenError};
use crate::open::Streams;
use rheos_types::limits::LIST_CONSUMERS;
use rheos_types::{ConsumerName, Namespace, StreamName};
use serde::{Deserialize, Serialize};
use std::ops::Bound;

/// What is to be listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListConsumers<'a> {
    /// When the stream was created, to the second, to tell it from others of its name.
    pub stream_created_ms: Option<u64>,
    /// How many at most; never more than 100.
    pub max_results: Option<u32>,
    /// The token of the page before.
    pub next_token: Option<&'a str>,
}

/// A page of consumers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerPage {
    /// The consumers, in order of their names.
    pub consumers: Vec<ConsumerInfo>,
    /// Where more follow; absent on the last page.
    pub next_token: Option<String>,
}

/// What a next token of this verb holds. The name of its first member keeps it apart from those of other verbs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ConsumersToken {
    consumers_of: Namespace,
    stream: StreamName,
    uid: StreamUid,
    after: ConsumerName,
}

/// Why consumers cannot be listed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ListConsumersError {
    /// There is no such stream, or none of that creation time.
    #[error(transparent)]
    NotFound(#[from] StreamNotFound),
    /// The stream is being created or deleted.
    #[error(transparent)]
    NotActive(#[from] NotActive),
    /// The token is of another stream, or of one that has been deleted and made again.
    #[error(transparent)]
    Token(#[from] TokenError),
}

impl Streams {
    /// Lists a page of at most 100 of a stream's consumers.
    ///
    /// # Errors
    /// [`ListConsumersError`].
    pub fn list_consumers(
        &self,
        namespace: &Namespace,
        name: &StreamName,
        request: ListConsumers<'_>,
    ) -> Result<ConsumerPage, ListConsumersError> {
        let token: Option<ConsumersToken> = request.next_token.map(|text| self.open_next(text)).transpose()?;
        let view = self.stream(namespace, name)?;
        let created_ms = view.record.created_ms;
        if request.stream_created_ms.is_some_and(|ms| ms / 1000 != created_ms / 1000) {
            return Err(view.not_found().into());
        }
        if !view.record.status.serves() {
            return Err(view.not_active().into());
        }
        let uid = view.record.uid;
        let of_stream =
            |token: &ConsumersToken| token.uid == uid && token.consumers_of == *namespace && token.stream == *name;
        if token.as_ref().is_some_and(|token| !of_stream(token)) {
            return Err(TokenError::Invalid.into());
        }
        let limit = request.max_results.map_or(LIST_CONSUMERS, |limit| LIST_CONSUMERS.min(limit as usize));
        let start = token.as_ref().map_or(Bound::Unbounded, |token| Bound::Excluded(&token.after));
        let mut later = view.consumers.range((start, Bound::Unbounded)).map(|(_, consumer)| consumer);
        let consumers: Vec<_> = later.by_ref().take(limit).map(|consumer| ConsumerInfo::of(&view, consumer)).collect();
        let next = |last: &ConsumerInfo| {
            let (consumers_of, stream, after) = (namespace.clone(), name.clone(), last.name.clone());
            self.seal_next(&ConsumersToken { consumers_of, stream, uid, after })
        };
        let next_token = later.next().and_then(|_| consumers.last()).map(next);
        Ok(ConsumerPage { consumers, next_token })
    }
}

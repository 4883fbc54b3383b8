//! ListStreams: names in the order of their bytes, a page at a time.

use crate::describe::StreamInfo;
use crate::facts::TokenError;
use crate::open::Streams;
use rheos_types::limits::{LIST_STREAMS_NAMES, TOKEN_LIFE_MS};
use rheos_types::{Namespace, StreamName};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// A page of streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamPage {
    /// The streams.
    pub streams: Vec<StreamInfo>,
    /// Whether more follow.
    pub has_more: bool,
    /// Where they do.
    pub next_token: Option<String>,
}

/// What a next token of this verb holds. The tag keeps it apart from those of other verbs.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename = "streams", deny_unknown_fields)]
struct StreamsToken {
    streams_of: Namespace,
    after: StreamName,
}

impl Streams {
    /// Lists a page of at most 100 streams: those after the token's page, or after `exclusive_start`.
    ///
    /// # Errors
    /// [`TokenError`] if the token is no good.
    pub fn list_streams(
        &self,
        namespace: &Namespace,
        limit: Option<u32>,
        exclusive_start: Option<&str>,
        next_token: Option<&str>,
    ) -> Result<StreamPage, TokenError> {
        let token: Option<StreamsToken> = next_token.map(|text| self.open_next(text)).transpose()?;
        if token.as_ref().is_some_and(|token| token.streams_of != *namespace) {
            return Err(TokenError::Invalid);
        }
        let after = token.as_ref().map(|token| token.after.as_str()).or(exclusive_start);
        let limit = limit.map_or(LIST_STREAMS_NAMES, |limit| LIST_STREAMS_NAMES.min(limit as usize));
        let mut found = self.views.page(namespace, after, limit + 1);
        let has_more = found.len() > limit;
        found.truncate(limit);
        let next =
            |last: &StreamName| self.seal_next(&StreamsToken { streams_of: namespace.clone(), after: last.clone() });
        let next_token = found.last().filter(|_| has_more).map(|view| next(&view.name));
        Ok(StreamPage { streams: found.iter().map(|view| StreamInfo::of(view)).collect(), has_more, next_token })
    }

    /// Seals the state of a listing.
    pub(crate) fn seal_next(&self, state: &impl Serialize) -> String {
        self.sealer.seal_next(self.clock.wall_ms(), &crate::catalog::encode(state), &*self.random)
    }

    /// Opens what [`Self::seal_next`] made of the same kind of state, unless it is too old.
    pub(crate) fn open_next<T: DeserializeOwned>(&self, text: &str) -> Result<T, TokenError> {
        let (issued_ms, state) = self.sealer.open_next(text).map_err(|_| TokenError::Invalid)?;
        let state = crate::catalog::decode(&state.into()).ok_or(TokenError::Invalid)?;
        let now_ms = self.clock.wall_ms();
        if now_ms.saturating_sub(issued_ms) > TOKEN_LIFE_MS {
            return Err(TokenError::Expired { issued_ms, now_ms });
        }
        Ok(state)
    }
}

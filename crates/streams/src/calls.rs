//! How often an operation may be called.

use crate::facts::CallsExceeded;
use crate::open::Streams;
use rheos_types::limits::{Call, LimitError, Scope};
use rheos_types::{Namespace, StreamName};

/// A stream whose tag does not choose its limits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the tag rheos:limits of stream {stream} cannot be read, so the server's limits hold for it")]
pub struct UnreadableLimits {
    /// The account and region.
    pub namespace: Namespace,
    /// The stream.
    pub stream: StreamName,
    /// What is wrong with the tag.
    #[source]
    pub problem: LimitError,
}

impl Streams {
    /// Counts a call against its operation's rate, before its verb begins. `stream` is the one that it names.
    ///
    /// A call that names a stream which is not there is not counted, so that no name that somebody makes up takes
    /// memory; its verb will say so. Calls that are counted for shards and consumers are counted by their verbs, which
    /// know these.
    ///
    /// # Errors
    /// [`CallsExceeded`]: the verb must not begin.
    pub fn count_call(
        &self,
        call: Call,
        namespace: &Namespace,
        stream: Option<&StreamName>,
    ) -> Result<(), CallsExceeded> {
        let view = match stream.map(|stream| self.views.get(namespace, stream)) {
            None => None,
            Some(Some(view)) => Some(view),
            Some(None) => return Ok(()),
        };
        let now_ms = self.clock.monotonic_ms();
        let passes = match (call.scope(), view) {
            (Scope::Account, _) => self.accounts.take(namespace, call, self.config.limits.calls_per_s.of(call), now_ms),
            (Scope::Stream, Some(view)) => view.calls.take(call, view.limits.calls_per_s.of(call), now_ms),
            (Scope::Stream, None) | (Scope::Shard | Scope::ConsumerShard, _) => true,
        };
        if passes {
            return Ok(());
        }
        Err(CallsExceeded { namespace: namespace.clone(), stream: stream.cloned(), call })
    }

    /// Why a stream's tag does not choose its limits.
    #[must_use]
    pub fn unreadable_limits(&self, namespace: &Namespace, name: &StreamName) -> Option<UnreadableLimits> {
        let problem = self.views.get(namespace, name)?.unreadable_limits.clone()?;
        Some(UnreadableLimits { namespace: namespace.clone(), stream: name.clone(), problem })
    }

    /// All streams whose tags do not choose their limits.
    #[must_use]
    pub fn all_unreadable_limits(&self) -> Vec<UnreadableLimits> {
        let streams = self.views.all();
        streams.iter().filter_map(|view| self.unreadable_limits(&view.namespace, &view.name)).collect()
    }
}

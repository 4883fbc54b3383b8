//! What drives a producer: a task that makes its calls and keeps its times.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use rheos_types::{Clock, Random};

use super::Shared;
use super::core::Ended;
use super::stream::{Call, Effects};
use super::transport::{CallError, CallErrorKind, Transport};

type Running = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// Makes the calls of a producer. [`Self::run`] is a task of the caller's.
#[must_use = "a producer writes nothing unless its driver runs"]
pub struct Driver<T> {
    pub(super) shared: Arc<Shared>,
    pub(super) transport: Arc<T>,
    pub(super) random: Arc<dyn Random>,
    pub(super) clock: Arc<dyn Clock>,
}

impl<T: Transport> Driver<T> {
    /// Runs until the producer was closed, or all its handles were dropped, and every accepted record has its outcome.
    ///
    /// Dropping it before abandons what is outstanding: whoever waits for an outcome learns it.
    pub async fn run(self) {
        let mut calls = FuturesUnordered::<Running>::new();
        loop {
            let now_ms = self.clock.monotonic_ms();
            let mut effects = Effects::default();
            let next_ms = self.shared.with(|core| core.poll(&*self.random, now_ms, &mut effects));
            self.tell(&mut effects);
            for call in effects.calls {
                calls.push(self.call(call));
            }
            if self.shared.with(|core| core.is_closed && core.is_empty()) {
                break;
            }
            let pause = async {
                match next_ms {
                    Some(next_ms) => tokio::time::sleep(Duration::from_millis(next_ms - now_ms)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(ended) = calls.next() => {
                    let now_ms = self.clock.monotonic_ms();
                    let mut effects = Effects::default();
                    self.shared.with(|core| core.ended(ended, &*self.random, now_ms, &mut effects));
                    self.tell(&mut effects);
                }
                () = self.shared.work.notified() => {}
                () = pause => {}
            }
        }
    }

    /// Tells outcomes, and lets others in for them.
    fn tell(&self, effects: &mut Effects) {
        if effects.resolved.is_empty() {
            return;
        }
        let mut settled = Vec::with_capacity(effects.resolved.len());
        let mut freed = 0;
        for resolved in effects.resolved.drain(..) {
            settled.push((resolved.epoch, resolved.cost));
            freed += resolved.cost;
            // Who has dropped the outcome does not want to know it.
            drop(resolved.reply.send(resolved.outcome));
        }
        self.shared.with(|core| settled.iter().for_each(|(epoch, cost)| core.settled(*epoch, *cost)));
        self.shared.budget.add_permits(freed);
        self.shared.settled.notify_waiters();
    }

    fn call(&self, call: Call) -> Running {
        let transport = Arc::clone(&self.transport);
        let timeout = Duration::from_millis(self.shared.request_timeout_ms);
        match call {
            Call::PutRecords { id, stream, entries } => Box::pin(async move {
                let answer = tokio::time::timeout(timeout, transport.put_records(&stream, entries)).await;
                Ended::PutRecords(id, answer.unwrap_or_else(|_| Err(timed_out(timeout))))
            }),
            Call::ListShards { stream } => Box::pin(async move {
                let answer = tokio::time::timeout(timeout, transport.list_shards(&stream)).await;
                Ended::ListShards(stream, answer.unwrap_or_else(|_| Err(timed_out(timeout))))
            }),
        }
    }
}

fn timed_out(timeout: Duration) -> CallError {
    CallError {
        code: "Request Timeout".into(),
        message: format!("no answer within {} ms", timeout.as_millis()).into(),
        kind: CallErrorKind::Unknown,
    }
}

impl<T> Drop for Driver<T> {
    fn drop(&mut self) {
        self.shared.with(super::core::Core::abandon);
        self.shared.budget.close();
        self.shared.settled.notify_waiters();
    }
}

impl<T> std::fmt::Debug for Driver<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Driver").finish_non_exhaustive()
    }
}

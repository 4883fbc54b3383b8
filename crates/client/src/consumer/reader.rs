//! Reads one shard: by polling, or by subscribing to it.

use std::time::Duration;

use tokio::time::sleep;

use super::config::{Config, Environment, InitialPosition, Retrieval};
use super::kinesis::{Kinesis, KinesisError, Page, ReadFrom, Subscription};
use super::metrics::{GET_RECORDS, Measure, Meter};
use crate::lease::Checkpoint;

/// The first wait after an error; it doubles.
const BACKOFF_MS: u64 = 250;
/// The longest.
const MAX_BACKOFF_MS: u64 = 10_000;
/// A subscription that was refused because of its predecessor is tried again after so long: it then replaces it.
const RESUBSCRIBE_MS: u64 = 5_000;
/// A subscription that says nothing for so long is given up. The service says something every few seconds.
const SILENCE_MS: u64 = 30_000;
/// After so many subscriptions in a row that did not come to anything the shard is polled for a while.
const SUBSCRIPTION_FAILURES: u32 = 3;
/// For so many pages.
const POLLED_PAGES: u32 = 60;

/// Where a shard is being read.
pub(super) struct Reader<'a> {
    kinesis: &'a dyn Kinesis,
    environment: &'a Environment,
    meter: &'a Meter,
    shard: &'a str,
    fan_out: bool,
    idle_ms: u64,
    max_records: u32,
    from: ReadFrom,
    iterator: Option<String>,
    /// When reading began at `LATEST`: a second attempt begins at that time, or records between the two would be left out.
    latest_since_ms: Option<u64>,
    subscription: Option<Box<dyn Subscription>>,
    failures: u32,
    subscription_failures: u32,
    pages_to_poll: u32,
    is_idle: bool,
}

/// Reading cannot go on.
#[derive(Debug)]
pub(super) struct ShardGone(pub(super) String);

impl<'a> Reader<'a> {
    /// Begins behind a checkpoint. The record of the checkpoint may come once more: part of it may not have been processed.
    pub(super) fn new(
        kinesis: &'a dyn Kinesis,
        environment: &'a Environment,
        meter: &'a Meter,
        config: &Config,
        shard: &'a str,
        checkpoint: &Checkpoint,
    ) -> Self {
        let from = match (checkpoint, config.start) {
            (Checkpoint::AtTimestamp, InitialPosition::AtTimestamp(ms)) => ReadFrom::AtTimestamp(ms),
            // A lease of another configuration. Older is the side on which nothing is left out.
            (Checkpoint::AtTimestamp | Checkpoint::TrimHorizon | Checkpoint::ShardEnd, _) => ReadFrom::TrimHorizon,
            (Checkpoint::Latest, _) => ReadFrom::Latest,
            (Checkpoint::At(number), _) => ReadFrom::At(number.sequence_number.clone()),
        };
        Self {
            kinesis,
            environment,
            meter,
            shard,
            fan_out: config.retrieval == Retrieval::FanOut,
            idle_ms: config.idle_ms,
            max_records: config.max_records,
            from,
            iterator: None,
            latest_since_ms: None,
            subscription: None,
            failures: 0,
            subscription_failures: 0,
            pages_to_poll: 0,
            is_idle: false,
        }
    }

    /// The next page of the shard. Waits where there is nothing, and tries again where Kinesis fails for the moment. May be dropped while it
    /// waits: nothing is taken as read before it was returned.
    pub(super) async fn next(&mut self) -> Result<Page, ShardGone> {
        loop {
            let page = if self.fan_out && self.pages_to_poll == 0 { self.pushed().await } else { self.polled().await };
            match page {
                Ok(Some(page)) => {
                    self.failures = 0;
                    if let Some(last) = page.records.last() {
                        self.from = ReadFrom::After(last.sequence_number.clone());
                    }
                    return Ok(page);
                }
                Ok(None) => {}
                Err(KinesisError::NotFound(what)) => return Err(ShardGone(what)),
                Err(error) => self.recover(&error).await,
            }
        }
    }

    async fn recover(&mut self, error: &KinesisError) {
        if let KinesisError::Expired(_) = error {
            self.meter.add(Measure::ExpiredIterator, self.shard, 1);
            self.iterator = None;
            self.since_then();
        }
        self.subscription = None;
        self.is_idle = false;
        let wait_ms = match error {
            // Begins again behind the last record at once.
            KinesisError::Expired(_) if self.failures == 0 => 0,
            KinesisError::InUse(_) => RESUBSCRIBE_MS,
            _ => (BACKOFF_MS << self.failures.min(10)).min(MAX_BACKOFF_MS),
        };
        self.failures = self.failures.saturating_add(1);
        tracing::debug!("shard {}: {error}; again in {wait_ms} ms", self.shard);
        // Some earlier, so that shards that failed together do not come back together.
        sleep(Duration::from_millis(wait_ms - self.environment.below(wait_ms / 4 + 1))).await;
    }

    async fn polled(&mut self) -> Result<Option<Page>, KinesisError> {
        if self.is_idle {
            sleep(Duration::from_millis(self.idle_ms)).await;
            self.is_idle = false;
        }
        let iterator = match &self.iterator {
            Some(iterator) => iterator.clone(),
            None => {
                self.since_then();
                let iterator = self.kinesis.shard_iterator(self.shard, &self.from).await?;
                self.begun();
                self.iterator.insert(iterator).clone()
            }
        };
        let get = self.kinesis.records(&iterator, self.max_records);
        let page = self.meter.attempt(GET_RECORDS, self.shard, get, Result::is_ok).await?;
        whole(&page)?;
        self.pages_to_poll = self.pages_to_poll.saturating_sub(1);
        self.is_idle = page.records.is_empty() && page.millis_behind_latest.unwrap_or(0) == 0;
        self.iterator.clone_from(&page.next);
        Ok(Some(page))
    }

    /// Reading begins where `from` says, now.
    fn begun(&mut self) {
        if self.from == ReadFrom::Latest {
            self.latest_since_ms = Some(self.environment.clock.wall_ms());
        }
    }

    /// Reading begins a second time: what was the latest then is not the latest now.
    fn since_then(&mut self) {
        if let (ReadFrom::Latest, Some(since_ms)) = (&self.from, self.latest_since_ms) {
            self.from = ReadFrom::AtTimestamp(since_ms);
        }
    }

    async fn subscribe(&mut self) -> Result<Box<dyn Subscription>, KinesisError> {
        self.since_then();
        let subscribed = self.kinesis.subscribe(self.shard, &self.from).await;
        match &subscribed {
            Ok(_) => self.begun(),
            Err(KinesisError::NotFound(_) | KinesisError::InUse(_)) => {}
            Err(error) => {
                self.subscription_failures += 1;
                if self.subscription_failures >= SUBSCRIPTION_FAILURES {
                    tracing::warn!("shard {}: no subscription ({error}); it is polled for a while", self.shard);
                    (self.subscription_failures, self.pages_to_poll) = (0, POLLED_PAGES);
                }
            }
        }
        subscribed
    }

    async fn pushed(&mut self) -> Result<Option<Page>, KinesisError> {
        // What was polled meanwhile would come again.
        self.iterator = None;
        if self.subscription.is_none() {
            self.subscription = Some(self.subscribe().await?);
        }
        let Some(subscription) = &mut self.subscription else { return Ok(None) };
        let silence = sleep(Duration::from_millis(SILENCE_MS));
        let event = tokio::select! {
            biased;
            event = subscription.next() => event,
            () = silence => Some(Err(KinesisError::Unavailable(format!("the subscription was silent for {SILENCE_MS} ms")))),
        };
        match event {
            Some(Ok(page)) => {
                whole(&page)?;
                self.subscription_failures = 0;
                if let Some(continuation) = &page.next {
                    self.from = ReadFrom::After(continuation.clone());
                }
                Ok(Some(page))
            }
            Some(Err(error)) => Err(error),
            None => {
                self.subscription = None;
                Ok(None)
            }
        }
    }
}

/// An end has children, and children mean an end. Anything else is an answer that was cut short.
fn whole(page: &Page) -> Result<(), KinesisError> {
    if page.next.is_none() == page.children.is_empty() {
        let what = "an answer names child shards without an end of the shard, or the other way around";
        return Err(KinesisError::Unavailable(what.to_owned()));
    }
    Ok(())
}

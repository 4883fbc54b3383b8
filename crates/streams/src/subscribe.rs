//! SubscribeToShard: records as they become durable, for one registered consumer and one shard.
//!
//! A [`Subscription`] is a place in a shard, and a claim to be the only one for its consumer and shard. It does nothing by
//! itself: whoever sends its events asks for the next one ([`Streams::event`]) and waits for more
//! ([`Streams::changed`]). So a slow reader holds a place and no records, and time is the caller's.
//!
//! # Who may subscribe
//! As the service has it (`reference/api.md` §8): one subscription for each consumer and shard. A call within five seconds of
//! a successful one is refused; a later one takes over, and the older subscription learns of it. Claims are memory: after
//! a restart there are none, as there are no connections. They are as many as there are consumers times shards at most, for
//! those that are over and older than the five seconds are swept out as new ones come.

use crate::buckets::FlowBucket;
use crate::catalog::StreamUid;
use crate::consumer::{ConsumerInfo, ConsumerStatus};
use crate::facts::ConsumerNotFound;
use crate::iterator::{IteratorError, IteratorRequest};
use crate::open::Streams;
use crate::read::{Bound, Onward, Records, Unread};
use crate::unseal::SealedRecord;
use crate::view::{ShardView, StreamView};
use rheos_types::limits::{Call, GET_RECORDS_COUNT, Profile, SUBSCRIBE_AGAIN_MS};
use rheos_types::{ConsumerArn, SequenceNumber, ShardId, ShardKey};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Why there is no subscription.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// There is no such consumer.
    #[error(transparent)]
    Consumer(#[from] ConsumerNotFound),
    /// The consumer is being made or removed.
    #[error("consumer {} is not ACTIVE", .0.name)]
    NotActive(ConsumerInfo),
    /// There is no such shard, or no such place in it.
    #[error(transparent)]
    Start(#[from] IteratorError),
    /// Another subscription of this consumer to this shard is younger than five seconds.
    #[error("consumer {} has just subscribed to {shard}", consumer.name)]
    InUse {
        /// The consumer.
        consumer: ConsumerInfo,
        /// The shard.
        shard: ShardId,
    },
    /// The consumer has tried to subscribe to this shard more often than it may.
    #[error("consumer {} subscribes to {shard} too often", consumer.name)]
    RateExceeded {
        /// The consumer.
        consumer: ConsumerInfo,
        /// The shard.
        shard: ShardId,
    },
}

/// Why a subscription is over before its time.
#[derive(Debug, thiserror::Error)]
pub enum SubscriptionEnd {
    /// A newer one has taken over.
    #[error("consumer {} has subscribed to {shard} again", consumer.name)]
    TakenOver {
        /// The consumer.
        consumer: ConsumerInfo,
        /// The shard.
        shard: ShardId,
    },
    /// The consumer has been deregistered, or its stream deleted.
    #[error(transparent)]
    Consumer(#[from] ConsumerNotFound),
    /// The shard is gone: it has expired.
    #[error("{shard} of stream {} does not exist any more", consumer.stream)]
    Shard {
        /// The consumer.
        consumer: ConsumerInfo,
        /// The shard.
        shard: ShardId,
    },
    /// The log could not read it.
    #[error(transparent)]
    Read(rheos_log::ReadError),
    /// The next record cannot be opened.
    #[error(transparent)]
    Sealed(Box<SealedRecord>),
}

/// A consumer's place in a shard.
#[derive(Debug)]
pub struct Subscription {
    arn: ConsumerArn,
    consumer: ConsumerInfo,
    shard: ShardId,
    shard_key: ShardKey,
    position: u64,
    /// When the last record that was given arrived, to tell how far behind a reader is that has to wait.
    last_time_ms: Option<u64>,
    flow: FlowBucket,
    claim: watch::Receiver<()>,
}

/// What a subscription has to give.
pub type Event = Records<SequenceNumber>;

/// What there is for a subscription.
#[derive(Debug)]
pub enum Offer {
    /// Records, perhaps none.
    Event(Event),
    /// A record that is larger than what may be given: to be asked for again with room for it.
    Larger {
        /// Its data and partition key.
        bytes: usize,
    },
}

/// The subscriptions there are, and when they began.
#[derive(Debug, Default)]
pub(crate) struct Claims(Mutex<ClaimTable>);

#[derive(Debug, Default)]
struct ClaimTable {
    claims: HashMap<ClaimKey, Claim>,
    /// How many there were after the last sweep.
    swept: usize,
}

type ClaimKey = (StreamUid, rheos_types::ConsumerName, u64, ShardId);

#[derive(Debug)]
struct Claim {
    /// When the last call succeeded.
    since_ms: u64,
    /// When the last call came that counted.
    called_ms: u64,
    /// Dropped when another takes over. Nobody listens any more once the subscription is over.
    holder: watch::Sender<()>,
}

/// Claims beyond which those that are over are looked for, each time that they have doubled.
const SWEEP: usize = 1024;

enum Refusal {
    InUse,
    RateExceeded,
}

impl Claims {
    /// Takes the place of whoever holds `key`; `is_strict` keeps the five seconds even if that one is over.
    fn claim(
        &self,
        key: ClaimKey,
        now_ms: u64,
        calls_per_s: Option<u64>,
        is_strict: bool,
    ) -> Result<watch::Receiver<()>, Refusal> {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if table.claims.len() >= SWEEP.max(table.swept * 2) {
            table.claims.retain(|_, claim| !claim.is_over() || claim.is_young(now_ms));
            table.swept = table.claims.len();
        }
        if let Some(claim) = table.claims.get_mut(&key) {
            let interval_ms = calls_per_s.map_or(0, |calls| 1000 / calls.max(1));
            let is_early = now_ms < claim.called_ms.saturating_add(interval_ms);
            // A call that comes too early does not count, or whoever tries all the time would never get in.
            if !is_early {
                claim.called_ms = now_ms;
            }
            if claim.is_young(now_ms) && (is_strict || !claim.is_over()) {
                return Err(Refusal::InUse);
            }
            if is_early {
                return Err(Refusal::RateExceeded);
            }
        }
        let (holder, receiver) = watch::channel(());
        table.claims.insert(key, Claim { since_ms: now_ms, called_ms: now_ms, holder });
        Ok(receiver)
    }
}

impl Claim {
    fn is_over(&self) -> bool {
        self.holder.is_closed()
    }

    fn is_young(&self, now_ms: u64) -> bool {
        now_ms < self.since_ms.saturating_add(SUBSCRIBE_AGAIN_MS)
    }
}

impl Streams {
    /// Subscribes a consumer to a shard, unless `only_try`: then all is checked and nothing claimed.
    ///
    /// # Errors
    /// [`SubscribeError`].
    pub async fn subscribe(
        &self,
        arn: &ConsumerArn,
        request: IteratorRequest<'_>,
        only_try: bool,
    ) -> Result<Option<Subscription>, SubscribeError> {
        let consumer = self.consumer(arn)?;
        let (view, shard) = self.shard_to_read(&consumer.namespace, &consumer.stream, request.shard)?;
        if consumer.status != ConsumerStatus::Active {
            return Err(SubscribeError::NotActive(consumer));
        }
        let position = self.start_position(&view, &shard, &request).await?;
        if only_try {
            return Ok(None);
        }
        let key = (view.record.uid, consumer.name.clone(), consumer.created_ms, shard.id);
        let (now_ms, is_strict) = (self.clock.monotonic_ms(), view.limits.profile == Profile::Aws);
        let claim = self.claims.claim(key, now_ms, view.limits.calls_per_s.of(Call::SubscribeToShard), is_strict);
        let claim = match claim {
            Ok(claim) => claim,
            Err(Refusal::InUse) => return Err(SubscribeError::InUse { consumer, shard: shard.id }),
            Err(Refusal::RateExceeded) => return Err(SubscribeError::RateExceeded { consumer, shard: shard.id }),
        };
        Ok(Some(Subscription {
            arn: arn.clone(),
            consumer,
            shard: shard.id,
            shard_key: shard.record.key,
            position,
            last_time_ms: None,
            flow: FlowBucket::default(),
            claim,
        }))
    }

    /// What there is for the subscription now, perhaps nothing: at most so many records and bytes. The subscription has moved
    /// on behind them; not so if the next record alone is larger.
    ///
    /// # Errors
    /// [`SubscriptionEnd`]: nothing more comes.
    pub async fn event(
        &self,
        subscription: &mut Subscription,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Offer, SubscriptionEnd> {
        let (view, shard) = self.subscribed(subscription)?;
        let bound = Bound { records: max_records.clamp(1, GET_RECORDS_COUNT), bytes: max_bytes };
        let now_s = self.clock.wall_ms() / 1000;
        let onward =
            |next, last_time_ms: Option<u64>| continuation(&shard, next, last_time_ms.map(|ms| ms / 1000), now_s);
        let event = self.read(&view, &shard, subscription.position, bound, onward).await;
        let event = event.map_err(|error| match error {
            Unread::Log(rheos_log::ReadError::UnknownShard) => subscription.gone(),
            Unread::Log(error) => SubscriptionEnd::Read(error),
            Unread::Sealed(sealed) => SubscriptionEnd::Sealed(sealed),
        })?;
        if event.bytes() > max_bytes {
            return Ok(Offer::Larger { bytes: event.bytes() });
        }
        subscription.position = event.next();
        subscription.last_time_ms = event.last_time_ms().or(subscription.last_time_ms);
        subscription.flow.gave(event.bytes() as u64, &view.limits, self.clock.monotonic_ms());
        Ok(Offer::Event(event))
    }

    /// An event without records: it tells a reader that has to wait that all is well.
    ///
    /// # Errors
    /// [`SubscriptionEnd`]: nothing more comes.
    pub fn sign_of_life(&self, subscription: &Subscription) -> Result<Event, SubscriptionEnd> {
        let (_, shard) = self.subscribed(subscription)?;
        let now_ms = self.clock.wall_ms();
        let state = self.log.shard(shard.record.key).ok_or_else(|| subscription.gone())?;
        let is_behind = subscription.position < state.next;
        let behind_ms = |last_ms: u64| now_ms.saturating_sub(last_ms).max(1);
        let millis_behind_latest = subscription.last_time_ms.filter(|_| is_behind).map_or(0, behind_ms);
        let onward = Onward::Next(continuation(&shard, subscription.position, None, now_ms / 1000));
        Ok(Records::none(shard.id, shard.record.created_s, subscription.position, millis_behind_latest, onward))
    }

    /// How long the subscription has to wait until it may be given more: its published throughput is used up.
    #[must_use]
    pub fn flow_wait_ms(&self, subscription: &mut Subscription) -> u64 {
        let Ok((view, _)) = self.subscribed(subscription) else { return 0 };
        subscription.flow.wait_ms(&view.limits, self.clock.monotonic_ms())
    }

    /// Waits until there may be something new for the subscription, or it is over. May return without reason.
    pub async fn changed(&self, subscription: &mut Subscription) {
        tokio::select! {
            biased;
            // An error: the claim has gone to another.
            _taken_over = subscription.claim.changed() => {}
            () = self.log.wait(subscription.shard_key, subscription.position) => {}
        }
    }

    /// The stream and shard of a subscription that is not over.
    fn subscribed(&self, subscription: &Subscription) -> Result<(Arc<StreamView>, Arc<ShardView>), SubscriptionEnd> {
        let consumer = self.consumer(&subscription.arn)?;
        if consumer.status == ConsumerStatus::Deleting {
            let ConsumerInfo { namespace, stream, name, .. } = consumer;
            return Err(ConsumerNotFound { namespace, stream, consumer: name }.into());
        }
        if subscription.claim.has_changed().is_err() {
            return Err(SubscriptionEnd::TakenOver { consumer, shard: subscription.shard });
        }
        let view = self.serving(&consumer.namespace, &consumer.stream).map_err(|_| subscription.gone())?;
        let shard = view.shard(subscription.shard).filter(|shard| shard.record.key == subscription.shard_key);
        let shard = shard.ok_or_else(|| subscription.gone())?.clone();
        Ok((view, shard))
    }
}

impl Subscription {
    fn gone(&self) -> SubscriptionEnd {
        SubscriptionEnd::Shard { consumer: self.consumer.clone(), shard: self.shard }
    }
}

/// The number to continue with behind everything before `next`. It stands for the last record, or, where none was given
/// with this event, for a place behind it that rises with time. Subscribing AFTER it gives what comes next; subscribing
/// AT it, as the KCL does when it starts again, repeats at most the one record before (`reference/api.md` §8).
fn continuation(shard: &ShardView, next: u64, last_time_s: Option<u64>, now_s: u64) -> SequenceNumber {
    let (id, created_s) = (shard.id, shard.record.created_s);
    match next.checked_sub(1) {
        Some(last) => SequenceNumber::of_record(id, created_s, last, last_time_s.unwrap_or(now_s)),
        None => SequenceNumber::shard_start(id, created_s),
    }
}

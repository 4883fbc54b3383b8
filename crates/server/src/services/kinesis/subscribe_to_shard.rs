//! SubscribeToShard: a stream of events, pushed as records become durable (`reference/api.md` §8).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use rheos_streams::{Event, IteratorRequest, Offer, Onward, Subscription, SubscriptionEnd};
use rheos_types::limits::SUBSCRIPTION_LIFE_MS;
use rheos_types::{Digits, SequenceNumber};
use rheos_wire::Operation;
use rheos_wire::codec::Json;
use rheos_wire::event_stream::{self, Frame};
use rheos_wire::generated::SubscribeToShardInput;

use super::naming::consumer_arn;
use super::{Kinesis, RequestError, Target, epoch_ms, get_shard_iterator, records};
use crate::auth::Caller;
use crate::fault::Fault;
use crate::subscribers::{Place, Room};

/// How long an event is waited for: then an empty one is sent. The service does so about every five seconds, and clients
/// that hear nothing for longer begin to worry.
const SIGN_OF_LIFE_MS: u64 = 3_000;
/// How long a subscription pauses that was woken for nothing, or that the log has no reader for.
const PATIENCE_MS: u64 = 20;

pub(crate) async fn run(
    kinesis: &Arc<Kinesis>,
    caller: &Caller,
    input: SubscribeToShardInput,
) -> Result<BoxStream<'static, Bytes>, Fault> {
    let operation = Operation::SubscribeToShard;
    let arn = consumer_arn(&input.consumer_arn, operation, caller)?;
    if input.stream_id.is_some() {
        let name = Some(arn.stream.name.as_str());
        Target { operation, name, arn: None, id: input.stream_id.as_deref() }.resolve(kinesis, caller)?;
    }
    let start = &input.starting_position;
    let request = IteratorRequest {
        shard: &input.shard_id,
        kind: get_shard_iterator::kind(start.r#type),
        sequence_number: start.sequence_number.as_deref(),
        timestamp_ms: start.timestamp.map(epoch_ms),
    };
    let only_try = input.dry_run == Some(true);
    let Some(subscription) = kinesis.streams.subscribe(&arn, request, only_try).await? else {
        return Err(RequestError::WouldHaveSucceeded.into());
    };
    Ok(stream::unfold(Feed::new(kinesis.clone(), subscription), Feed::next).boxed())
}

/// A subscription on its way to the client. It does something only while the connection asks for more.
struct Feed {
    kinesis: Arc<Kinesis>,
    place: Place,
    subscription: Subscription,
    stage: Stage,
    ends_ms: u64,
    /// When the next sign of life is due.
    quiet_until_ms: u64,
    /// Nothing is read before.
    paused_until_ms: u64,
    /// The next record is this large: more than an event's usual room.
    wanted_bytes: usize,
    /// Something is said to have changed since the last read.
    is_woken: bool,
}

enum Stage {
    /// Nothing has been sent.
    Beginning,
    Running,
    /// The last frame has been sent.
    Over,
}

impl Feed {
    fn new(kinesis: Arc<Kinesis>, subscription: Subscription) -> Self {
        let now_ms = kinesis.clock.monotonic_ms();
        Self {
            place: kinesis.subscribers.enter(),
            subscription,
            stage: Stage::Beginning,
            ends_ms: now_ms + SUBSCRIPTION_LIFE_MS,
            // The first event comes at once, so that the client knows where it stands.
            quiet_until_ms: now_ms,
            paused_until_ms: now_ms,
            wanted_bytes: 0,
            is_woken: false,
            kinesis,
        }
    }

    /// The next frame; `None` at the end.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        match self.stage {
            Stage::Beginning => {
                self.stage = Stage::Running;
                let mut frame = Vec::new();
                event_stream::push_initial_response(&mut frame);
                return Some((frame.into(), self));
            }
            Stage::Running => {}
            Stage::Over => return None,
        }
        loop {
            let now_ms = self.kinesis.clock.monotonic_ms();
            if now_ms >= self.ends_ms {
                return None;
            }
            let reads = now_ms >= self.paused_until_ms;
            let room = if reads { self.room(now_ms).await } else { None };
            let made = if let Some(room) = room {
                self.read(room, now_ms).await
            } else if reads || now_ms >= self.quiet_until_ms {
                let event = self.kinesis.streams.sign_of_life(&self.subscription);
                event.map(|event| Some(self.send(&event, None, now_ms)))
            } else {
                Ok(None)
            };
            match made {
                Ok(Some(frame)) => return Some((frame, self)),
                Ok(None) => {}
                Err(SubscriptionEnd::Read(rheos_log::ReadError::Stopped)) => return None,
                Err(SubscriptionEnd::Read(rheos_log::ReadError::Overloaded)) => {
                    self.paused_until_ms = now_ms + PATIENCE_MS;
                }
                Err(end) => return Some((self.break_off(end), self)),
            }
            if !self.wait(now_ms).await {
                return None;
            }
        }
    }

    /// Memory for an event; `None` if there is none until a sign of life is due.
    async fn room(&self, now_ms: u64) -> Option<Room> {
        let patience = Duration::from_millis(self.quiet_until_ms.saturating_sub(now_ms).max(PATIENCE_MS));
        tokio::time::timeout(patience, self.place.room(self.wanted_bytes)).await.ok()
    }

    /// Reads an event: a frame if there is something to say.
    async fn read(&mut self, room: Room, now_ms: u64) -> Result<Option<Bytes>, SubscriptionEnd> {
        let event = match self.kinesis.streams.event(&mut self.subscription, room.records, room.bytes).await? {
            Offer::Event(event) => event,
            Offer::Larger { bytes } => {
                // At once, with more room.
                self.wanted_bytes = bytes;
                return Ok(None);
            }
        };
        self.wanted_bytes = 0;
        let is_news = event.count() > 0 || matches!(event.onward, Onward::Ended(_));
        if std::mem::take(&mut self.is_woken) && !is_news {
            // A shard that has ended and whose children are not open yet: a reshard that a crash has cut in two.
            self.paused_until_ms = now_ms + PATIENCE_MS;
        }
        if !is_news && now_ms < self.quiet_until_ms {
            return Ok(None);
        }
        Ok(Some(self.send(&event, Some(room), now_ms)))
    }

    /// Writes an event down.
    fn send(&mut self, event: &Event, room: Option<Room>, now_ms: u64) -> Bytes {
        let mut out = Vec::new();
        let frame = Frame::event(&mut out, "SubscribeToShardEvent");
        records::write::<Json, _>(&mut out, event, |writer, next, behind, children| {
            let digits = next.map(SequenceNumber::digits);
            writer.finish_event(digits.as_ref().map(Digits::as_str), behind, children);
        });
        frame.finish(&mut out);
        if matches!(event.onward, Onward::Ended(_)) {
            self.stage = Stage::Over;
        }
        self.quiet_until_ms = now_ms + SIGN_OF_LIFE_MS;
        if event.count() > 0 {
            let flow_ms = self.kinesis.streams.flow_wait_ms(&mut self.subscription);
            let written_bytes = self.kinesis.streams.written_bytes();
            let is_behind = event.millis_behind_latest > 0;
            let pause_ms = self.place.pause_ms(event.bytes() as u64, is_behind, written_bytes, now_ms);
            self.paused_until_ms = now_ms + flow_ms.max(pause_ms);
        }
        match room {
            Some(room) => room.carry(out),
            None => out.into(),
        }
    }

    /// Waits for whatever comes first: something to read, the end of a pause, a sign of life that is due, the end. Whether
    /// the server goes on.
    async fn wait(&mut self, now_ms: u64) -> bool {
        let is_paused = now_ms < self.paused_until_ms;
        let until_ms = self.quiet_until_ms.min(self.ends_ms);
        let until_ms = if is_paused { until_ms.min(self.paused_until_ms) } else { until_ms };
        let timer = tokio::time::sleep(Duration::from_millis(until_ms.saturating_sub(now_ms)));
        let streams = &self.kinesis.streams;
        tokio::select! {
            biased;
            () = self.kinesis.subscribers.stopped() => return false,
            () = timer => self.place.timer_was_late(self.kinesis.clock.monotonic_ms().saturating_sub(until_ms.max(now_ms))),
            () = streams.changed(&mut self.subscription), if !is_paused => self.is_woken = true,
        }
        true
    }

    /// The last frame of a subscription that cannot go on.
    fn break_off(&mut self, end: SubscriptionEnd) -> Bytes {
        self.stage = Stage::Over;
        let fault = Fault::from(end);
        self.kinesis.faults.note(&fault.told(), Operation::SubscribeToShard.name(), "", self.kinesis.clock.wall_ms());
        let mut frame = Vec::new();
        event_stream::push_exception(&mut frame, &fault.body);
        frame.into()
    }
}

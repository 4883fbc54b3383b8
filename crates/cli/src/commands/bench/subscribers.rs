//! `bench put --consumers N` and `bench e2e --consumers N`: so many consumers, each subscribed to every shard.

use std::time::{Duration, Instant};

use http_body_util::BodyExt;
use hyper::body::Incoming;
use memchr::memmem;
use tokio::task::JoinSet;

use super::Plan;
use super::bodies::{self, Result};
use super::connection::{Answer, Connection, Operation};
use super::end_to_end::stamps;
use super::load::Window;
use super::tally::Tally;
use crate::client::Service;
use crate::edge;
use crate::failure::{Failure, Outcome};

/// How often a consumer that is being made is looked at.
const LOOK: Duration = Duration::from_millis(100);
/// A frame's length, that of its headers, and the checksum of both.
const PRELUDE: usize = 12;

/// A subscription: the frames that its connection brings.
pub(crate) struct Feed {
    body: Incoming,
    /// What has come and is no whole frame yet.
    bytes: Vec<u8>,
    /// Keeps the connection.
    _connection: Connection,
}

/// What is done with an event's records.
#[derive(Clone, Copy)]
pub(crate) enum Count {
    /// They are counted.
    Records,
    /// They carry the time at which they were put, since this moment.
    Latency(Instant),
}

/// Registers the consumers where they are absent, and subscribes each to every shard from its tip on.
pub(crate) async fn open(plan: &Plan, service: &Service) -> Outcome<Vec<Feed>> {
    let mut feeds = Vec::new();
    for number in 0..plan.options.consumers {
        let arn = consumer(plan, service, &format!("rheos-bench-{number}")).await?;
        for shard in &plan.shards {
            feeds.push(Feed::open(plan, &arn, shard).await?);
        }
    }
    Ok(feeds)
}

async fn consumer(plan: &Plan, service: &Service, name: &str) -> Outcome<String> {
    let failed = |what: &str, error: &dyn std::fmt::Display| Failure::new(format!("cannot {what} {name}: {error}"));
    let summary = service.client.describe_stream_summary().stream_name(&plan.options.stream).send().await;
    let summary = summary.map_err(|error| failed("find the stream of", &error))?;
    let stream = summary.stream_description_summary().map(|summary| summary.stream_arn().to_owned());
    let stream = stream.ok_or_else(|| Failure::new("the stream has no ARN"))?;
    let registered = service.client.register_stream_consumer().stream_arn(&stream).consumer_name(name).send().await;
    if let Err(error) = registered
        && !error.as_service_error().is_some_and(|reason| reason.is_resource_in_use_exception())
    {
        return Err(failed("register", &error));
    }
    loop {
        let described = service.client.describe_stream_consumer().stream_arn(&stream).consumer_name(name).send().await;
        let described = described.map_err(|error| failed("describe", &error))?;
        match described.consumer_description() {
            Some(consumer) if consumer.consumer_status().as_str() == "ACTIVE" => {
                return Ok(consumer.consumer_arn().to_owned());
            }
            _ => tokio::time::sleep(LOOK).await,
        }
    }
}

impl Feed {
    async fn open(plan: &Plan, consumer: &str, shard: &str) -> Outcome<Self> {
        let mut connection = Connection::open(&plan.address).await?;
        let mut body = bodies::subscribe(consumer, shard);
        let (status, body) = connection.stream(&plan.signer, Operation::SubscribeToShard, &mut body).await?;
        if status.is_success() {
            return Ok(Self { body, bytes: Vec::new(), _connection: connection });
        }
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let answer = Answer { status, body };
        Err(Failure::new(format!("cannot subscribe to {shard}: {:?}", bodies::read_page(&answer)))
            .hint("a consumer that has subscribed can do so again five seconds later"))
    }

    /// Takes events until the window closes and `patience` more.
    pub(crate) async fn run(mut self, window: Window, patience: Duration, count: Count) -> Outcome<Tally> {
        let mut tally = Tally::new()?;
        while window.is_open_for(patience) {
            let frame = tokio::time::timeout(patience.max(LOOK), self.body.frame()).await;
            let Ok(frame) = frame else { continue };
            let Some(frame) = frame else { break };
            let frame = frame.map_err(|error| Failure::unreachable(format!("a subscription broke: {error}")))?;
            let now = edge::now();
            let Ok(bytes) = frame.into_data() else { continue };
            self.bytes.extend_from_slice(&bytes);
            self.take(&mut tally, window, now, count)?;
        }
        Ok(tally)
    }

    /// Counts the whole frames there are.
    fn take(&mut self, tally: &mut Tally, window: Window, now: Instant, count: Count) -> Outcome {
        let mut taken = 0;
        while let Some(payload) = payload(&self.bytes[taken..])? {
            let (from, to, next) = payload;
            let payload = &self.bytes[taken + from..taken + to];
            taken += next;
            match count {
                Count::Records if window.holds(now) => {
                    let records = memmem::find_iter(payload, b"\"SequenceNumber\":").count() as u64;
                    if records > 0 {
                        tally.count(Result::Done { records, throttled: 0, failed: 0 }, Duration::ZERO);
                    }
                }
                Count::Records => {}
                Count::Latency(epoch) => {
                    if memmem::find(payload, b"\"Records\":").is_none() {
                        continue;
                    }
                    for put in stamps(payload)? {
                        let put = epoch + Duration::from_nanos(put);
                        if window.holds(put) {
                            let result = Result::Done { records: 1, throttled: 0, failed: 0 };
                            tally.count(result, now.saturating_duration_since(put));
                        }
                    }
                }
            }
        }
        self.bytes.drain(..taken);
        Ok(())
    }
}

/// Where the payload of the first frame begins and ends, and where the next frame begins. `None`: it has not come whole.
fn payload(bytes: &[u8]) -> Outcome<Option<(usize, usize, usize)>> {
    let number = |at: usize| bytes.get(at..at + 4)?.try_into().ok().map(u32::from_be_bytes);
    let (Some(total), Some(headers)) = (number(0), number(4)) else { return Ok(None) };
    let (total, from) = (total as usize, PRELUDE + headers as usize);
    if total < from + 4 {
        return Err(Failure::new("a subscription sends something that is no event stream"));
    }
    Ok((bytes.len() >= total).then_some((from, total - 4, total)))
}

/// Starts all of them.
pub(crate) fn start(feeds: Vec<Feed>, window: Window, patience: Duration, count: Count) -> JoinSet<Outcome<Tally>> {
    let mut workers = JoinSet::new();
    for feed in feeds {
        workers.spawn(feed.run(window, patience, count));
    }
    workers
}

//! Kinesis by its official client: the service of Amazon, or a Rheos.

use std::time::{SystemTime, UNIX_EPOCH};

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::operation::subscribe_to_shard::SubscribeToShardOutput;
use aws_sdk_kinesis::primitives::{Blob, DateTime};
use aws_sdk_kinesis::types::{
    self as api, ShardFilterType, ShardIteratorType, StartingPosition, SubscribeToShardEventStream as Events,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use rheos_types::{HashKey, HashRange};
use tokio::sync::OnceCell;

use super::dead_letters::{DeadLetter, DeadLetters};
use super::kinesis::{
    ChildShard, Kinesis, KinesisError, KinesisFuture, Page, ReadFrom, Shard, ShardFilter, ShardRecord, Subscription,
};

/// So many pages of shards at most: a service that never ends its list is none.
const MAX_PAGES: usize = 10_000;
/// No stream refuses a record of this size for that.
const SMALLEST_MAX_RECORD_BYTES: usize = 1 << 20;
/// A consumer is registered within so many looks.
const MAX_LOOKS: usize = 60;

/// A stream behind the official client.
pub struct SdkKinesis {
    client: Client,
    stream: String,
    /// The name under which it subscribes.
    consumer: String,
    consumer_arn: OnceCell<String>,
}

impl SdkKinesis {
    /// A stream by its name. Subscriptions are made by a registered consumer of this name, which is registered when the first is asked for.
    pub fn new(client: Client, stream: impl Into<String>, consumer: impl Into<String>) -> Self {
        Self { client, stream: stream.into(), consumer: consumer.into(), consumer_arn: OnceCell::new() }
    }

    async fn list(&self, filter: ShardFilter) -> Result<Vec<Shard>, KinesisError> {
        let filter = match filter {
            ShardFilter::All => None,
            ShardFilter::AtLatest => Some(api::ShardFilter::builder().r#type(ShardFilterType::AtLatest)),
            ShardFilter::AtTrimHorizon => Some(api::ShardFilter::builder().r#type(ShardFilterType::AtTrimHorizon)),
            ShardFilter::AtTimestamp(ms) => {
                Some(api::ShardFilter::builder().r#type(ShardFilterType::AtTimestamp).timestamp(date_time(ms)))
            }
        };
        let filter = filter.map(|filter| filter.build().map_err(|error| KinesisError::Refused(error.to_string())));
        let mut call = self.client.list_shards().stream_name(&self.stream).set_shard_filter(filter.transpose()?);
        let mut shards = Vec::new();
        for _ in 0..MAX_PAGES {
            let page = call.send().await.map_err(|error| failure(&error))?;
            shards.extend(page.shards.unwrap_or_default().into_iter().map(shard).collect::<Result<Vec<_>, _>>()?);
            let Some(token) = page.next_token else { return Ok(shards) };
            call = self.client.list_shards().next_token(token);
        }
        Err(KinesisError::Unavailable("the list of shards does not come to an end".to_owned()))
    }

    async fn iterator(&self, shard: &str, from: &ReadFrom) -> Result<String, KinesisError> {
        let call = self.client.get_shard_iterator().stream_name(&self.stream).shard_id(shard);
        let call = match from {
            ReadFrom::TrimHorizon => call.shard_iterator_type(ShardIteratorType::TrimHorizon),
            ReadFrom::Latest => call.shard_iterator_type(ShardIteratorType::Latest),
            ReadFrom::AtTimestamp(ms) => {
                call.shard_iterator_type(ShardIteratorType::AtTimestamp).timestamp(date_time(*ms))
            }
            ReadFrom::At(number) => {
                call.shard_iterator_type(ShardIteratorType::AtSequenceNumber).starting_sequence_number(number)
            }
            ReadFrom::After(number) => {
                call.shard_iterator_type(ShardIteratorType::AfterSequenceNumber).starting_sequence_number(number)
            }
        };
        let answer = call.send().await.map_err(|error| failure(&error))?;
        answer.shard_iterator.ok_or_else(|| KinesisError::Unavailable("no iterator came".to_owned()))
    }

    async fn get(&self, iterator: &str, limit: u32) -> Result<Page, KinesisError> {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let answer = self.client.get_records().shard_iterator(iterator).limit(limit).send().await;
        let answer = answer.map_err(|error| match failure(&error) {
            // Of an iterator: it was never good, or is of another service.
            KinesisError::Refused(why) => KinesisError::Expired(why),
            other => other,
        })?;
        let behind = answer.millis_behind_latest;
        page(answer.records, answer.next_shard_iterator, answer.child_shards.unwrap_or_default(), behind)
    }

    /// The ARN of the registered consumer, which is made if it is not there.
    async fn registered(&self) -> Result<&str, KinesisError> {
        let arn = self.consumer_arn.get_or_try_init(|| async {
            let summary = self.client.describe_stream_summary().stream_name(&self.stream).send().await;
            let summary = summary.map_err(|error| failure(&error))?.stream_description_summary;
            let stream_arn = summary.map(|summary| summary.stream_arn).unwrap_or_default();
            for _ in 0..MAX_LOOKS {
                let call = self.client.describe_stream_consumer().stream_arn(&stream_arn);
                match call.consumer_name(&self.consumer).send().await.map_err(|error| failure(&error)) {
                    Ok(answer) => match answer.consumer_description {
                        Some(consumer) if consumer.consumer_status == api::ConsumerStatus::Active => {
                            return Ok(consumer.consumer_arn);
                        }
                        _ => tokio::time::sleep(std::time::Duration::from_secs(1)).await,
                    },
                    Err(KinesisError::NotFound(_)) => {
                        let call = self.client.register_stream_consumer().stream_arn(&stream_arn);
                        match call.consumer_name(&self.consumer).send().await.map_err(|error| failure(&error)) {
                            // Another worker has just done it.
                            Ok(_) | Err(KinesisError::InUse(_)) => {}
                            Err(error) => return Err(error),
                        }
                    }
                    Err(error) => return Err(error),
                }
            }
            Err(KinesisError::Unavailable(format!("the consumer {} does not become active", self.consumer)))
        });
        arn.await.map(String::as_str)
    }

    async fn open(&self, shard: &str, from: &ReadFrom) -> Result<Box<dyn Subscription>, KinesisError> {
        // That there is no consumer says nothing about the shard.
        let arn = self.registered().await.map_err(|error| match error {
            KinesisError::NotFound(what) => KinesisError::Unavailable(what),
            other => other,
        })?;
        let position = StartingPosition::builder();
        let position = match from {
            ReadFrom::TrimHorizon => position.r#type(ShardIteratorType::TrimHorizon),
            ReadFrom::Latest => position.r#type(ShardIteratorType::Latest),
            ReadFrom::AtTimestamp(ms) => position.r#type(ShardIteratorType::AtTimestamp).timestamp(date_time(*ms)),
            ReadFrom::At(number) => position.r#type(ShardIteratorType::AtSequenceNumber).sequence_number(number),
            ReadFrom::After(number) => position.r#type(ShardIteratorType::AfterSequenceNumber).sequence_number(number),
        };
        let position = position.build().map_err(|error| KinesisError::Refused(error.to_string()))?;
        let call = self.client.subscribe_to_shard().consumer_arn(arn).shard_id(shard).starting_position(position);
        let output = call.send().await.map_err(|error| failure(&error))?;
        Ok(Box::new(SdkSubscription { output }))
    }
}

impl Kinesis for SdkKinesis {
    fn list_shards(&self, filter: ShardFilter) -> KinesisFuture<'_, Vec<Shard>> {
        Box::pin(self.list(filter))
    }

    fn shard_iterator<'a>(&'a self, shard: &'a str, from: &'a ReadFrom) -> KinesisFuture<'a, String> {
        Box::pin(self.iterator(shard, from))
    }

    fn records<'a>(&'a self, iterator: &'a str, limit: u32) -> KinesisFuture<'a, Page> {
        Box::pin(self.get(iterator, limit))
    }

    fn subscribe<'a>(&'a self, shard: &'a str, from: &'a ReadFrom) -> KinesisFuture<'a, Box<dyn Subscription>> {
        Box::pin(self.open(shard, from))
    }
}

struct SdkSubscription {
    output: SubscribeToShardOutput,
}

impl Subscription for SdkSubscription {
    fn next(&mut self) -> BoxFuture<'_, Option<Result<Page, KinesisError>>> {
        Box::pin(async move {
            loop {
                return match self.output.event_stream.recv().await {
                    Ok(Some(Events::SubscribeToShardEvent(event))) => {
                        let children = event.child_shards.unwrap_or_default();
                        // At the end of a shard there is no continuation, which the client makes an empty text of.
                        let next = Some(event.continuation_sequence_number).filter(|next| !next.is_empty());
                        Some(page(event.records, next, children, Some(event.millis_behind_latest)))
                    }
                    Ok(Some(_)) => continue,
                    Ok(None) => None,
                    Err(error) => Some(Err(failure(&error))),
                };
            }
        })
    }
}

/// Dead letters as records of a stream, each with the partition key of the record that it is about.
pub struct DeadLetterStream {
    client: Client,
    stream: String,
}

impl DeadLetterStream {
    /// A stream that is there.
    pub fn new(client: Client, stream: impl Into<String>) -> Self {
        Self { client, stream: stream.into() }
    }
}

impl DeadLetters for DeadLetterStream {
    fn send<'a>(&'a self, letter: DeadLetter<'a>) -> BoxFuture<'a, Result<(), String>> {
        Box::pin(async move {
            let record = letter.record;
            let key =
                if record.partition_key.is_empty() { &record.number.sequence_number } else { &record.partition_key };
            let put = |body: String| {
                let call = self.client.put_record().stream_name(&self.stream).partition_key(key);
                async move { call.data(Blob::new(body)).send().await.map(drop).map_err(|error| failure(&error)) }
            };
            let whole = letter.to_json().to_string();
            let may_be_too_large = whole.len() + key.len() > SMALLEST_MAX_RECORD_BYTES;
            let sent = match put(whole).await {
                Err(KinesisError::Refused(_)) if may_be_too_large => {
                    put(letter.to_json_without_data().to_string()).await
                }
                sent => sent,
            };
            sent.map_err(|error| format!("{}: {error}", self.stream))
        })
    }
}

fn date_time(ms: u64) -> DateTime {
    DateTime::from_millis(i64::try_from(ms).unwrap_or(i64::MAX))
}

fn millis(time: DateTime) -> Option<u64> {
    let time = SystemTime::try_from(time).ok()?;
    u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok()
}

fn range(range: Option<&api::HashKeyRange>) -> Result<HashRange, KinesisError> {
    let key = |text: &str| HashKey::parse(text).map_err(|error| KinesisError::Unavailable(error.to_string()));
    let range = range.ok_or_else(|| KinesisError::Unavailable("a shard came without its hash keys".to_owned()))?;
    Ok(HashRange { start: key(&range.starting_hash_key)?, end: key(&range.ending_hash_key)? })
}

fn shard(shard: api::Shard) -> Result<Shard, KinesisError> {
    let numbers = shard.sequence_number_range;
    Ok(Shard {
        hash_range: range(shard.hash_key_range.as_ref())?,
        id: shard.shard_id,
        parents: shard.parent_shard_id.into_iter().chain(shard.adjacent_parent_shard_id).collect(),
        is_open: numbers.as_ref().is_none_or(|numbers| numbers.ending_sequence_number.is_none()),
        starting_sequence_number: numbers.map(|numbers| numbers.starting_sequence_number).unwrap_or_default(),
    })
}

fn page(
    records: Vec<api::Record>,
    next: Option<String>,
    children: Vec<api::ChildShard>,
    behind: Option<i64>,
) -> Result<Page, KinesisError> {
    let records = records.into_iter().map(|record| ShardRecord {
        sequence_number: record.sequence_number,
        // A stream that spreads records itself takes them without keys.
        partition_key: record.partition_key.unwrap_or_default(),
        data: Bytes::from(record.data.into_inner()),
        arrival_ms: record.approximate_arrival_timestamp.and_then(millis),
    });
    let children = children.into_iter().map(|child| {
        Ok(ChildShard {
            hash_range: range(child.hash_key_range.as_ref())?,
            id: child.shard_id,
            parents: child.parent_shards,
        })
    });
    Ok(Page {
        records: records.collect(),
        next,
        children: children.collect::<Result<_, KinesisError>>()?,
        millis_behind_latest: behind.and_then(|behind| u64::try_from(behind).ok()),
    })
}

/// What an error means for a consumer.
fn failure<E, R>(error: &SdkError<E, R>) -> KinesisError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
    R: std::fmt::Debug,
{
    let SdkError::ServiceError(_) = error else {
        return KinesisError::Unavailable(DisplayErrorContext(error).to_string());
    };
    let code = error.code().unwrap_or("an error without a code");
    let text = format!("{code}: {}", error.message().unwrap_or("no reason given"));
    match code {
        "ProvisionedThroughputExceededException" | "LimitExceededException" | "ThrottlingException" => {
            KinesisError::Throttled(text)
        }
        "ExpiredIteratorException" | "ExpiredNextTokenException" => KinesisError::Expired(text),
        "ResourceNotFoundException" => KinesisError::NotFound(text),
        "ResourceInUseException" => KinesisError::InUse(text),
        "InvalidArgumentException" | "ValidationException" | "AccessDeniedException" => KinesisError::Refused(text),
        _ => KinesisError::Unavailable(text),
    }
}

//! The official client of AWS as a [`Transport`]: for AWS, Rheos, and whoever speaks the same API.

use std::sync::Arc;

use aws_sdk_kinesis::Client;
use aws_sdk_kinesis::config::Config;
use aws_sdk_kinesis::config::http::HttpResponse;
use aws_sdk_kinesis::config::retry::RetryConfig;
use aws_sdk_kinesis::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{PutRecordsRequestEntry, PutRecordsResultEntry, ShardFilter, ShardFilterType};
use rheos_types::{HashKey, HashRange};

use super::transport::{Answer, CallError, CallErrorKind, Entry, EntryError, Placed, Shard, Transport, is_throttle};

/// Calls by `aws-sdk-kinesis`, as its client is configured, without its retries: those are the producer's.
#[derive(Debug, Clone)]
pub struct KinesisTransport {
    client: Client,
}

/// Pages of ListShards. No account has as many shards as fit on so many.
const PAGES: usize = 1000;

impl KinesisTransport {
    /// Calls by this client.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client }
    }
}

fn without_retries() -> aws_sdk_kinesis::config::Builder {
    Config::builder().retry_config(RetryConfig::disabled())
}

impl Transport for KinesisTransport {
    async fn put_records(&self, stream: &str, entries: Vec<Entry>) -> Result<Vec<Answer>, CallError> {
        let mut request = self.client.put_records();
        request = if is_arn(stream) { request.stream_arn(stream) } else { request.stream_name(stream) };
        for entry in entries {
            let built = PutRecordsRequestEntry::builder()
                .partition_key(entry.partition_key)
                .set_explicit_hash_key(entry.explicit_hash_key)
                .data(Blob::new(entry.data))
                .build();
            request = request.records(built.map_err(|error| unbuilt(&error))?);
        }
        let answer = request.customize().config_override(without_retries()).send().await;
        let answer = answer.map_err(|error| call_error(&error))?;
        Ok(answer.records.into_iter().map(entry_answer).collect())
    }

    async fn list_shards(&self, stream: &str) -> Result<Vec<Shard>, CallError> {
        let open = ShardFilter::builder().r#type(ShardFilterType::AtLatest).build().map_err(|error| unbuilt(&error))?;
        let (mut shards, mut next_token) = (Vec::new(), None);
        for _ in 0..PAGES {
            let mut request = self.client.list_shards();
            request = match next_token {
                Some(token) => request.next_token(token),
                None if is_arn(stream) => request.stream_arn(stream).shard_filter(open.clone()),
                None => request.stream_name(stream).shard_filter(open.clone()),
            };
            let answer = request.customize().config_override(without_retries()).send().await;
            let answer = answer.map_err(|error| call_error(&error))?;
            for shard in answer.shards.unwrap_or_default() {
                let range = shard.hash_key_range.as_ref().and_then(|range| {
                    let start = HashKey::parse(&range.starting_hash_key).ok()?;
                    Some(HashRange { start, end: HashKey::parse(&range.ending_hash_key).ok()? })
                });
                let Some(range) = range else {
                    return Err(strange(format!("shard {} has no range of hash keys", shard.shard_id)));
                };
                shards.push(Shard { id: shard.shard_id.into(), range });
            }
            next_token = answer.next_token;
            if next_token.is_none() {
                return Ok(shards);
            }
        }
        Err(strange(format!("the list of shards has more than {PAGES} pages")))
    }
}

fn is_arn(stream: &str) -> bool {
    stream.starts_with("arn:")
}

fn entry_answer(entry: PutRecordsResultEntry) -> Answer {
    match (entry.shard_id, entry.sequence_number) {
        (Some(shard_id), Some(sequence_number)) if entry.error_code.is_none() => {
            Ok(Placed { shard_id: shard_id.into(), sequence_number: sequence_number.into() })
        }
        _ => Err(EntryError {
            code: entry.error_code.unwrap_or_else(|| String::from("No Sequence Number")).into(),
            message: entry.error_message.unwrap_or_default().into(),
        }),
    }
}

/// What was given cannot be a request.
fn unbuilt(error: &dyn std::fmt::Display) -> CallError {
    CallError { code: "Invalid Request".into(), message: error.to_string().into(), kind: CallErrorKind::Refused }
}

/// An answer that no service should give.
fn strange(message: String) -> CallError {
    CallError { code: "Strange Answer".into(), message: message.into(), kind: CallErrorKind::NotNow }
}

/// What the client's error means. What is not known to mean that nothing happened may have happened.
fn call_error<E>(error: &SdkError<E, HttpResponse>) -> CallError
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let told = error.as_service_error();
    let code = told.and_then(ProvideErrorMetadata::code);
    let message = told.and_then(ProvideErrorMetadata::message);
    let status = error.raw_response().map(|response| response.status().as_u16());
    let kind = match (error, code, status) {
        (_, Some(code), _) if is_throttle(code) => CallErrorKind::Throttled,
        (SdkError::ConstructionFailure(_), ..) => CallErrorKind::Refused,
        (SdkError::ServiceError(_), code, Some(400..=499)) => of_client(code.unwrap_or_default()),
        _ => CallErrorKind::Unknown,
    };
    let code = code.unwrap_or(match error {
        SdkError::TimeoutError(_) => "Request Timeout",
        SdkError::DispatchFailure(_) => "No Connection",
        SdkError::ConstructionFailure(_) => "Invalid Request",
        SdkError::ResponseError(_) => "Strange Answer",
        _ => "Unknown Error",
    });
    let message = message.map_or_else(|| DisplayErrorContext(error).to_string().into(), Arc::from);
    CallError { code: code.into(), message, kind }
}

/// Refusals that are the client's fault.
fn of_client(code: &str) -> CallErrorKind {
    match code {
        // Credentials are renewed, and clocks are set right.
        "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "RequestTimeTooSkewed"
        | "ResourceInUseException" => CallErrorKind::NotNow,
        "ValidationException" | "InvalidArgumentException" | "SerializationException" => CallErrorKind::RefusedContent,
        _ => CallErrorKind::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_without_a_sequence_number_was_not_written() {
        let entry = PutRecordsResultEntry::builder().shard_id("shardId-000000000000");
        assert!(entry_answer(entry.clone().build()).is_err());
        let written = entry_answer(entry.clone().sequence_number("49").build()).unwrap();
        assert_eq!((&*written.shard_id, &*written.sequence_number), ("shardId-000000000000", "49"));
        let failed = entry.sequence_number("49").error_code("InternalFailure").build();
        assert_eq!(&*entry_answer(failed).unwrap_err().code, "InternalFailure");
    }

    #[test]
    fn who_is_at_fault() {
        assert_eq!(of_client("ValidationException"), CallErrorKind::RefusedContent);
        assert_eq!(of_client("ResourceNotFoundException"), CallErrorKind::Refused);
        assert_eq!(of_client("ExpiredTokenException"), CallErrorKind::NotNow);
    }
}

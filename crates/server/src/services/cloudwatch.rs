//! CloudWatch, as much of it as the clients of Kinesis use: metrics go in and can be read. One file for each operation.

mod get_metric_data;
mod get_metric_statistics;
mod list_metrics;
mod put_metric_data;

use std::sync::Arc;

use base64_simd::URL_SAFE_NO_PAD;
use bytes::Bytes;
use rheos_account::metrics::{MetricId, Metrics, Range};
use rheos_types::Clock;
use rheos_wire::Timestamp;
use rheos_wire::generated::cloudwatch::Dimension;
use rheos_wire::neighbour::codec::{decode, encode};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::operations;
use crate::fault::ServiceFault;
use crate::neighbours::Request;

pub(crate) use get_metric_data::QueryError;

operations! {
    GetMetricData Reading,
    GetMetricStatistics Reading,
    ListMetrics Reading,
    PutMetricData Mutating,
}

/// The largest body, inflated: that of a PutMetricData. No other has reason to be larger.
const BODY_BYTES: usize = 1 << 20;

/// What the operations work on.
pub(crate) struct CloudWatch {
    pub(crate) metrics: Metrics,
    pub(crate) clock: Arc<dyn Clock>,
}

/// What is wrong with a request that the model allows. Members go by their paths: `MetricData.member.1.Value`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum MetricError {
    /// A member has a value that it may not have.
    Invalid { member: String, value: String, expected: String },
    /// One of these has to be there.
    Missing { members: &'static str, of: String },
    /// Only one of these may be there.
    Both { members: [String; 2] },
    /// The whole body has more bytes than this.
    TooLarge { bytes: usize, limit_bytes: usize },
    /// There are more elements than that.
    TooMany { member: String, count: usize, limit: usize },
    /// The time ends before it begins.
    NoTime,
    /// More points were asked for than are given.
    TooManyPoints { asked: u64, limit: u64 },
    /// The token is none of ours.
    Token,
    /// A query cannot be answered.
    Query { id: String, error: QueryError },
}

/// Does an operation.
pub(crate) fn run(cloudwatch: &CloudWatch, operation: Operation, request: &Request<'_>) -> Result<Bytes, ServiceFault> {
    macro_rules! call {
        ($module:ident) => {{
            let input = decode(request.addressed.protocol, &request.body)?;
            let output = $module::run(cloudwatch, &request.caller, input)?;
            Ok(encode(request.addressed, operation.name(), output.as_ref(), request.request_id)?)
        }};
    }

    if request.body.len() > BODY_BYTES {
        return Err(MetricError::TooLarge { bytes: request.body.len(), limit_bytes: BODY_BYTES }.into());
    }
    match operation {
        Operation::PutMetricData => call!(put_metric_data),
        Operation::ListMetrics => call!(list_metrics),
        Operation::GetMetricStatistics => call!(get_metric_statistics),
        Operation::GetMetricData => call!(get_metric_data),
    }
}

/// The series of a name and of dimensions at `path`, each of which may be there once.
fn metric_id(namespace: &str, name: &str, dimensions: Vec<Dimension>, path: &str) -> Result<MetricId, MetricError> {
    let dimensions = dimensions.into_iter().map(|Dimension { name, value }| (name, value)).collect();
    MetricId::new(namespace, name, dimensions).ok_or_else(|| MetricError::Invalid {
        member: format!("{path}Dimensions"),
        value: "a dimension twice".to_owned(),
        expected: "each name once".to_owned(),
    })
}

/// The range of a request; its period is checked.
fn range(start: Timestamp, end: Timestamp, period: i32, path: &str) -> Result<Range, MetricError> {
    let seconds = u64::try_from(period).unwrap_or(0);
    if !matches!(seconds, 1 | 5 | 10 | 20 | 30) && (seconds == 0 || seconds % 60 != 0) {
        return Err(MetricError::Invalid {
            member: format!("{path}Period"),
            value: period.to_string(),
            expected: "1, 5, 10, 20, 30 or a multiple of 60".to_owned(),
        });
    }
    let ms = |Timestamp(ms): Timestamp| u64::try_from(ms).unwrap_or(0);
    let range = Range { start_ms: ms(start), end_ms: ms(end), period_ms: seconds * 1000 };
    if range.start_ms >= range.end_ms { Err(MetricError::NoTime) } else { Ok(range) }
}

/// How many points a range can have.
fn points_of(range: Range) -> u64 {
    let start_ms = range.start_ms - range.start_ms % range.period_ms;
    (range.end_ms - start_ms).div_ceil(range.period_ms)
}

/// A moment to tell a caller.
fn timestamp(epoch_ms: u64) -> Timestamp {
    Timestamp(i64::try_from(epoch_ms).unwrap_or(i64::MAX))
}

/// A place to go on from, for a caller to bring back. It says nothing that is secret and opens nothing.
fn token<T: Serialize>(place: &T) -> Option<String> {
    serde_json::to_vec(place).ok().map(|text| URL_SAFE_NO_PAD.encode_to_string(text))
}

/// The place of a token.
fn place<T: DeserializeOwned>(token: &str) -> Result<T, MetricError> {
    let text = URL_SAFE_NO_PAD.decode_to_vec(token).map_err(|_| MetricError::Token)?;
    serde_json::from_slice(&text).map_err(|_| MetricError::Token)
}

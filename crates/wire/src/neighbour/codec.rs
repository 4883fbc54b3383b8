//! Bodies of the neighbours to typed inputs and typed outputs to bodies, in each protocol.
//!
//! The checks are those of Kinesis, along the shapes of the model: what comes out satisfies everything that the model says
//! about single values. RPC v2 counts time in seconds, as JSON does and the CBOR of Kinesis does not.

use bytes::Bytes;
use serde::Serialize;

use super::{Addressed, Protocol, form, xml};
use crate::codec::{cbor, json};
use crate::error::{ErrorBody, ErrorCode};
use crate::shape::Shape;
use crate::value::Value;
use crate::{check, constraints, typed};

/// A typed input of a neighbour's operation.
pub trait Input: serde::de::DeserializeOwned {
    /// Its shape.
    const SHAPE: &'static Shape;
}

/// How many values a body has at most. The largest legal one, of PutMetricData, has a megabyte: a thousand metrics with
/// thirty dimensions each are half of these.
pub const MAX_NODES: usize = 1 << 18;

/// Reads an input: parses the body, checks types, then constraints. Of RPC v2 an empty body is an empty input.
pub fn decode<I: Input>(protocol: Protocol, body: &[u8]) -> Result<I, ErrorBody> {
    let value = match protocol {
        Protocol::Json => json::parse(I::SHAPE, body, MAX_NODES),
        Protocol::RpcCbor if body.is_empty() => Some(Value::Map(Vec::new())),
        Protocol::RpcCbor => cbor::parse_seconds(I::SHAPE, body, MAX_NODES),
        Protocol::Query => Some(form::parse(I::SHAPE, body, MAX_NODES)?),
    };
    let value = value.filter(|value| matches!(value, Value::Map(_)));
    let value = check::check(I::SHAPE, value.ok_or(ErrorBody::bare(ErrorCode::Serialization))?)?;
    constraints::check(I::SHAPE, &value)?;
    typed::from_value(value).map_err(|_| ErrorBody::bare(ErrorCode::InternalFailure))
}

/// Writes the output of an operation; `None` of those that have none.
pub fn encode<O: Serialize>(
    addressed: &Addressed,
    operation: &str,
    output: Option<&O>,
    request_id: &str,
) -> Result<Bytes, ErrorBody> {
    match (addressed.protocol, output) {
        (Protocol::Query, output) => xml::answer(addressed.service, operation, output, request_id),
        (Protocol::Json | Protocol::RpcCbor, None) => Ok(Bytes::new()),
        (Protocol::Json, Some(output)) => json::encode(output),
        (Protocol::RpcCbor, Some(output)) => cbor::encode_seconds(output),
    }
}

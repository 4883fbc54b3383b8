//! ListShards. A first request names a stream, a following one only its token.

use rheos_streams::{ListShards, ShardFilter, ShardPage, TokenError};
use rheos_wire::generated::{self as model, ListShardsInput, ListShardsOutput, ShardFilterType};

use super::naming::target;
use super::{Kinesis, RequestError, count, describe, epoch_ms};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(kinesis: &Kinesis, caller: &Caller, input: ListShardsInput) -> Result<ListShardsOutput, Fault> {
    let page = match &input.next_token {
        Some(token) => following(kinesis, caller, &input, token)?,
        None => first(kinesis, caller, &input)?,
    };
    Ok(ListShardsOutput { shards: Some(describe::shards(&page.shards)), next_token: page.next_token })
}

fn first(kinesis: &Kinesis, caller: &Caller, input: &ListShardsInput) -> Result<ShardPage, Fault> {
    if input.stream_name.is_none() && input.stream_arn.is_none() && input.stream_id.is_none() {
        return Err(RequestError::NoStreamOrToken.into());
    }
    let stream = target!(ListShards, input).resolve(kinesis, caller)?;
    let request = ListShards {
        exclusive_start_shard_id: input.exclusive_start_shard_id.as_deref(),
        filter: input.shard_filter.as_ref().map_or(Ok(ShardFilter::default()), filter)?,
        stream_created_ms: input.stream_creation_timestamp.map(epoch_ms),
        max_results: input.max_results.map(count),
    };
    Ok(kinesis.streams.list_shards(&caller.namespace, &stream, request)?)
}

fn following(kinesis: &Kinesis, caller: &Caller, input: &ListShardsInput, token: &str) -> Result<ShardPage, Fault> {
    let others = [
        (input.stream_name.is_some(), "StreamName"),
        (input.stream_arn.is_some(), "StreamARN"),
        (input.stream_id.is_some(), "StreamId"),
        (input.exclusive_start_shard_id.is_some(), "ExclusiveStartShardId"),
        (input.shard_filter.is_some(), "ShardFilter"),
        (input.stream_creation_timestamp.is_some(), "StreamCreationTimestamp"),
    ];
    if let Some((_, member)) = others.into_iter().find(|(given, _)| *given) {
        return Err(RequestError::WithToken { member }.into());
    }
    let token = kinesis.streams.open_shards_token(token)?;
    if token.namespace != caller.namespace {
        return Err(TokenError::Invalid.into());
    }
    Ok(kinesis.streams.list_shards_next(&token, input.max_results.map(count))?)
}

fn filter(filter: &model::ShardFilter) -> Result<ShardFilter<'_>, RequestError> {
    let needs = |member| RequestError::FilterNeeds { filter: filter.r#type.as_str(), member };
    let time = || filter.timestamp.map(epoch_ms).ok_or(needs("Timestamp"));
    Ok(match filter.r#type {
        ShardFilterType::AfterShardId => ShardFilter::AfterShardId(filter.shard_id.as_deref().ok_or(needs("ShardId"))?),
        ShardFilterType::AtTrimHorizon => ShardFilter::AtTrimHorizon,
        ShardFilterType::FromTrimHorizon => ShardFilter::FromTrimHorizon,
        ShardFilterType::AtLatest => ShardFilter::AtLatest,
        ShardFilterType::AtTimestamp => ShardFilter::AtTimestamp(time()?),
        ShardFilterType::FromTimestamp => ShardFilter::FromTimestamp(time()?),
    })
}

//! ListStreams.

use rheos_streams::StreamInfo;
use rheos_wire::generated::{ListStreamsInput, ListStreamsOutput, StreamSummary};

use super::{Kinesis, count, describe};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    input: ListStreamsInput,
) -> Result<ListStreamsOutput, Fault> {
    let (start, token) = (input.exclusive_start_stream_name.as_deref(), input.next_token.as_deref());
    let page = kinesis.streams.list_streams(&caller.namespace, input.limit.map(count), start, token)?;
    Ok(ListStreamsOutput {
        stream_names: page.streams.iter().map(|stream| stream.name.to_string()).collect(),
        stream_summaries: Some(page.streams.iter().map(summary).collect()),
        has_more_streams: page.has_more,
        next_token: page.next_token,
    })
}

fn summary(stream: &StreamInfo) -> StreamSummary {
    StreamSummary {
        stream_name: stream.name.to_string(),
        stream_arn: describe::arn(stream),
        stream_status: describe::status(stream.status),
        stream_mode_details: Some(describe::mode(stream.mode)),
        stream_creation_timestamp: Some(describe::created(stream)),
    }
}

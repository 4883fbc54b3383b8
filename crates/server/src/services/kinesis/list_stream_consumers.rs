//! ListStreamConsumers. Every page names the stream.

use rheos_streams::ListConsumers;
use rheos_wire::Operation;
use rheos_wire::generated::{ListStreamConsumersInput, ListStreamConsumersOutput};

use super::{Kinesis, RequestError, Target, count, describe, epoch_ms};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    input: ListStreamConsumersInput,
) -> Result<ListStreamConsumersOutput, Fault> {
    let target = Target {
        operation: Operation::ListStreamConsumers,
        name: None,
        arn: Some(&input.stream_arn),
        id: input.stream_id.as_deref(),
    };
    let stream = target.resolve(kinesis, caller)?;
    if input.next_token.is_some() && input.stream_creation_timestamp.is_some() {
        return Err(RequestError::WithToken { member: "StreamCreationTimestamp" }.into());
    }
    let request = ListConsumers {
        stream_created_ms: input.stream_creation_timestamp.map(epoch_ms),
        max_results: input.max_results.map(count),
        next_token: input.next_token.as_deref(),
    };
    let page = kinesis.streams.list_consumers(&caller.namespace, &stream, request)?;
    let consumers = page.consumers.iter().map(describe::consumer).collect();
    Ok(ListStreamConsumersOutput { consumers: Some(consumers), next_token: page.next_token })
}

//! DeleteStream.

use rheos_wire::generated::DeleteStreamInput;

use super::Kinesis;
use super::naming::target;
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(kinesis: &Kinesis, caller: &Caller, input: DeleteStreamInput) -> Result<(), Fault> {
    let stream = target!(DeleteStream, input).resolve(kinesis, caller)?;
    let with_consumers = input.enforce_consumer_deletion.unwrap_or(false);
    Ok(kinesis.streams.delete_stream(&caller.namespace, &stream, with_consumers).await?)
}

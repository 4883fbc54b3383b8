//! DeleteStream.

use rheos_wire::generated::DeleteStreamInput;

use super::Kinesis;
use super::naming::target;
use crate::auth::Caller;
use crate::fault::Fault;

/// `EnforceConsumerDeletion` changes nothing as long as no stream has consumers.
pub(crate) async fn run(kinesis: &Kinesis, caller: &Caller, input: DeleteStreamInput) -> Result<(), Fault> {
    let stream = target!(DeleteStream, input).resolve(caller)?;
    Ok(kinesis.streams.delete_stream(&caller.namespace, &stream).await?)
}

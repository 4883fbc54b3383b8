//! UpdateMaxRecordSize.

use rheos_wire::Operation;
use rheos_wire::generated::UpdateMaxRecordSizeInput;

use super::{Kinesis, Target, count};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(kinesis: &Kinesis, caller: &Caller, input: UpdateMaxRecordSizeInput) -> Result<(), Fault> {
    let (arn, id) = (input.stream_arn.as_deref(), input.stream_id.as_deref());
    let stream = Target { operation: Operation::UpdateMaxRecordSize, name: None, arn, id }.resolve(kinesis, caller)?;
    let kib = count(input.max_record_size_in_kib);
    Ok(kinesis.streams.update_max_record_size(&caller.namespace, &stream, kib).await?)
}

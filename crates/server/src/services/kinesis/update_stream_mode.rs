//! UpdateStreamMode.

use rheos_wire::Operation;
use rheos_wire::generated::UpdateStreamModeInput;

use super::{Kinesis, Target, count, describe};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(kinesis: &Kinesis, caller: &Caller, input: UpdateStreamModeInput) -> Result<(), Fault> {
    let operation = Operation::UpdateStreamMode;
    let (arn, id) = (Some(input.stream_arn.as_str()), input.stream_id.as_deref());
    let name = Target { operation, name: None, arn, id }.resolve(kinesis, caller)?;
    let (mode, warm) = (describe::mode_of(input.stream_mode_details), input.warm_throughput_mibps.map(count));
    Ok(kinesis.streams.update_mode(&caller.namespace, &name, mode, warm).await?)
}

//! DecreaseStreamRetentionPeriod.

use rheos_wire::generated::DecreaseStreamRetentionPeriodInput;

use super::naming::target;
use super::{Kinesis, count};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    input: DecreaseStreamRetentionPeriodInput,
) -> Result<(), Fault> {
    let stream = target!(DecreaseStreamRetentionPeriod, input).resolve(kinesis, caller)?;
    let hours = count(input.retention_period_hours);
    Ok(kinesis.streams.decrease_retention(&caller.namespace, &stream, hours).await?)
}

//! IncreaseStreamRetentionPeriod.

use rheos_wire::generated::IncreaseStreamRetentionPeriodInput;

use super::naming::target;
use super::{Kinesis, count};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    input: IncreaseStreamRetentionPeriodInput,
) -> Result<(), Fault> {
    let stream = target!(IncreaseStreamRetentionPeriod, input).resolve(kinesis, caller)?;
    let hours = count(input.retention_period_hours);
    Ok(kinesis.streams.increase_retention(&caller.namespace, &stream, hours).await?)
}

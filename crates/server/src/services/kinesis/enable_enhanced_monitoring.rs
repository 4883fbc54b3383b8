//! EnableEnhancedMonitoring.

use rheos_wire::generated::{EnableEnhancedMonitoringInput, EnhancedMonitoringOutput};

use super::naming::target;
use super::{Kinesis, monitoring};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    input: EnableEnhancedMonitoringInput,
) -> Result<EnhancedMonitoringOutput, Fault> {
    let stream = target!(EnableEnhancedMonitoring, input).resolve(kinesis, caller)?;
    let metrics = monitoring::read(&input.shard_level_metrics);
    let changed = kinesis.streams.enable_monitoring(&caller.namespace, &stream, &metrics).await?;
    Ok(monitoring::output(caller, stream, &changed))
}

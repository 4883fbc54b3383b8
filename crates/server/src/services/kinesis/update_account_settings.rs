//! UpdateAccountSettings.

use rheos_wire::generated::{
    MinimumThroughputBillingCommitmentInputStatus, UpdateAccountSettingsInput, UpdateAccountSettingsOutput,
};

use super::{Kinesis, describe};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    input: UpdateAccountSettingsInput,
) -> Result<UpdateAccountSettingsOutput, Fault> {
    let commit = match input.minimum_throughput_billing_commitment.status {
        MinimumThroughputBillingCommitmentInputStatus::Enabled => true,
        MinimumThroughputBillingCommitmentInputStatus::Disabled => false,
    };
    let commitment = kinesis.streams.update_account(&caller.namespace, commit).await?;
    Ok(UpdateAccountSettingsOutput { minimum_throughput_billing_commitment: Some(describe::commitment(commitment)) })
}

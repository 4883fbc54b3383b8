//! DescribeAccountSettings.

use rheos_wire::generated::{DescribeAccountSettingsInput, DescribeAccountSettingsOutput};

use super::{Kinesis, describe};
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(
    kinesis: &Kinesis,
    caller: &Caller,
    _input: DescribeAccountSettingsInput,
) -> Result<DescribeAccountSettingsOutput, Fault> {
    let commitment = describe::commitment(kinesis.streams.describe_account(&caller.namespace));
    Ok(DescribeAccountSettingsOutput { minimum_throughput_billing_commitment: Some(commitment) })
}

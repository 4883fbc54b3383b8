//! PutResourcePolicy.

use rheos_wire::generated::PutResourcePolicyInput;

use super::Kinesis;
use super::naming::resource_target;
use crate::auth::Caller;
use crate::fault::Fault;

pub(crate) async fn run(kinesis: &Kinesis, caller: &Caller, input: PutResourcePolicyInput) -> Result<(), Fault> {
    let resource = resource_target!(PutResourcePolicy, input).resolve(kinesis, caller)?;
    Ok(kinesis.streams.put_policy(&resource, &input.policy).await?)
}

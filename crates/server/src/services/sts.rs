//! The Security Token Service: who am I?

use bytes::Bytes;
use rheos_wire::Service;
use rheos_wire::neighbour::xml;
use serde::Serialize;

use super::operations;
use crate::auth::Caller;
use crate::fault::ServiceFault;

operations! {
    GetCallerIdentity Reading,
}

/// Does an operation.
pub(crate) fn run(operation: Operation, caller: &Caller, request_id: &str) -> Result<Bytes, ServiceFault> {
    match operation {
        // Allowed to everybody who is somebody.
        Operation::GetCallerIdentity => {
            let account = caller.namespace.account.to_string();
            let identity = GetCallerIdentityResponse { user_id: account.clone(), account, arn: caller.arn() };
            Ok(xml::answer(Service::Sts, operation.name(), Some(&identity), request_id)?)
        }
    }
}

/// What is told of a caller.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GetCallerIdentityResponse {
    /// Of the root user the account, as on AWS.
    user_id: String,
    account: String,
    arn: String,
}

//! DynamoDB, as much of it as consumer applications keep their leases with. Its operations are to come; until then it
//! knows none, and says so as it does of any name that it does not know.

use bytes::Bytes;

use super::operations;
use crate::auth::Caller;
use crate::fault::ServiceFault;

operations! {}

/// Does an operation: from a body in awsJson 1.0 to one.
///
/// Whatever changes something has to be detached, so that a client that hangs up does not stop it half-way.
pub(crate) async fn run(operation: Operation, _caller: Caller, _body: Bytes) -> Result<Bytes, ServiceFault> {
    match operation {}
}

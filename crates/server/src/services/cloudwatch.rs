//! CloudWatch, as much of it as the clients of Kinesis use. Its operations are to come.

use bytes::Bytes;
use rheos_wire::neighbour::Addressed;

use super::operations;
use crate::auth::Caller;
use crate::fault::ServiceFault;

operations! {}

/// Does an operation.
pub(crate) async fn run(
    operation: Operation,
    _addressed: &Addressed,
    _caller: Caller,
    _body: Bytes,
) -> Result<Bytes, ServiceFault> {
    match operation {}
}

//! Requests to the services beside Kinesis: from what is addressed to the function that does it, and back to an answer.
//!
//! When they are checked is decided in `request.rs`, as for Kinesis.

use std::io::Read;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use rheos_wire::front::Call;
use rheos_wire::neighbour::{Addressed, Protocol, Reply, form};
use rheos_wire::{ErrorBody, ErrorCode};

use crate::admission::Held;
use crate::answer::overloaded;
use crate::auth::Caller;
use crate::fault::{ServiceFault, too_large_inflated, unknown_operation};
use crate::request::Inside;
use crate::services::{Access, Operation, cloudwatch, dynamodb, sts};

/// The largest body that may come out of a compressed one: above the largest that any operation takes.
const INFLATED_BYTES: usize = 2 << 20;

/// A request to a neighbour, from a caller who was let in.
pub(crate) struct Request<'a> {
    pub(crate) inside: &'a Inside,
    pub(crate) addressed: &'a Addressed,
    pub(crate) caller: Caller,
    pub(crate) body: Bytes,
    pub(crate) request_id: &'a str,
}

/// The operation that is asked for, or the error of a name that is none. Nothing is known of what is compressed yet, nor is
/// anything to be found out about Kinesis.
pub(crate) fn known(call: &Call) -> Result<Option<Operation>, ErrorBody> {
    let Call::Neighbour(Addressed { service, operation: Some(name), .. }) = call else { return Ok(None) };
    Operation::find(*service, name).map(Some).ok_or_else(unknown_operation)
}

/// Does what is asked for: the answer, or what went wrong with which operation.
pub(crate) async fn answer(
    mut request: Request<'_>,
    known: Option<Operation>,
    compressed: bool,
    mut held: Held,
) -> Result<Reply, (&'static str, ServiceFault)> {
    let unknown = |error| ("unknown", ServiceFault::from(error));
    if compressed {
        request.body = inflate(&request.body, &mut held).map_err(|fault| ("unknown", fault))?;
    }
    let operation = known.or_else(|| in_form(&request)).ok_or_else(|| unknown(unknown_operation()))?;
    let addressed = request.addressed;
    let body = run(operation, request).await.map_err(|fault| (operation.name(), fault))?;
    let body = match operation.access() {
        Access::Mutating => body,
        Access::Reading => held.carry(body).map_err(|_| (operation.name(), overloaded(false).into()))?,
    };
    Ok(addressed.answer(body))
}

async fn run(operation: Operation, request: Request<'_>) -> Result<Bytes, ServiceFault> {
    let inside = request.inside;
    match operation {
        Operation::DynamoDb(operation) => {
            dynamodb::run(&inside.dynamodb, operation, request.caller, request.body).await
        }
        Operation::CloudWatch(operation) => cloudwatch::run(&inside.cloudwatch, operation, &request),
        Operation::Sts(operation) => sts::run(operation, &request.caller, request.request_id),
    }
}

/// The operation that a form names which was compressed.
fn in_form(request: &Request<'_>) -> Option<Operation> {
    let (service, name) = form::action(&request.body)?;
    // The signature was for this service.
    (request.addressed.protocol == Protocol::Query && service == request.addressed.service)
        .then(|| Operation::find(service, &name))
        .flatten()
}

/// What a body in gzip says, and holds as much memory as it takes.
fn inflate(body: &[u8], held: &mut Held) -> Result<Bytes, ServiceFault> {
    let mut whole = Vec::new();
    let limit = u64::try_from(INFLATED_BYTES).unwrap_or(u64::MAX);
    let read = MultiGzDecoder::new(body).take(limit + 1).read_to_end(&mut whole);
    read.map_err(|_| ErrorBody::new(ErrorCode::Serialization, "The body says that it is gzip, and is not."))?;
    if whole.len() > INFLATED_BYTES {
        return Err(too_large_inflated(INFLATED_BYTES));
    }
    held.grow_to(body.len().saturating_add(whole.len())).map_err(|_| overloaded(false))?;
    Ok(whole.into())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::admission::Admission;
    use std::sync::Arc;

    fn zipped(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn what_inflates_without_end_is_cut_off() {
        let admission = Arc::new(Admission::new(64 << 20, 64 << 20));
        let said = |bytes: &[u8]| inflate(bytes, &mut admission.held()).map_err(|fault| fault.error.code.name);
        assert_eq!(said(&zipped(b"hello")).unwrap(), "hello");
        assert_eq!(said(&zipped(&vec![0; INFLATED_BYTES])).unwrap().len(), INFLATED_BYTES);
        assert_eq!(said(&zipped(&vec![0; 64 << 20])), Err("RequestEntityTooLargeException"));
        assert_eq!(said(b"hello"), Err("SerializationException"));
        let whole = zipped(b"hello");
        assert_eq!(said(&whole[..whole.len() - 4]), Err("SerializationException"));
    }
}

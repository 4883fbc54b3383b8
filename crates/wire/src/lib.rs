//! The protocols of AWS: bytes to types and back. No I/O, no clock, no runtime: what depends on the time takes it as an
//! argument.
//!
//! | where | what |
//! | --- | --- |
//! | [`operation`] | the one list of operations, and what is true of each |
//! | [`service`] | the one list of services, and what is true of each |
//! | [`front`] | which service and operation a request is for, or the error that comes before any operation |
//! | [`neighbour`] | the services beside Kinesis: how requests name them, and the forms of their answers |
//! | [`content_type`] | protocols, and how requests name them |
//! | [`sigv4`] | signatures: sign, parse, verify |
//! | [`codec`] | bodies to typed inputs, typed outputs to bodies |
//! | [`generated`] | the service model as tables and types; written by `cargo xtask codegen` from `models/kinesis.json` |
//! | [`shape`] | what those tables are made of |
//! | [`value`], [`mod@check`], [`constraints`], [`typed`] | a body as a tree; its types; its constraints; as a typed input |
//! | [`scalar`] | blobs and timestamps |
//! | [`event_stream`] | the frames of an answer that goes on |
//! | [`error`] | error codes, bodies and whole error answers |
//!
//! A request goes through `front`, `sigv4` and `codec`, in this order. What comes out of `codec` satisfies everything
//! that the model says about single values; what it takes the state to know is left to others.

pub mod check;
pub mod codec;
pub mod constraints;
pub mod content_type;
pub mod error;
pub mod event_stream;
pub mod front;
#[cfg(feature = "fuzz")]
pub mod fuzz;
pub mod generated;
pub mod neighbour;
pub mod operation;
pub mod scalar;
pub mod service;
pub mod shape;
pub mod sigv4;
mod text;
mod text_enum;
pub mod typed;
pub mod value;

pub use content_type::Protocol;
pub use error::{ErrorBody, ErrorCode};
pub use operation::{Input, Operation};
pub use scalar::{Blob, Timestamp};
pub use service::Service;

//! Bytes to typed inputs and typed outputs to bytes, one file per protocol.

pub mod json;

//! The services that answer on the one port. So far there is one.

pub(crate) mod kinesis;

//! One module for each verb.

pub(crate) mod backup;
pub(crate) mod bench;
pub(crate) mod consumer;
pub(crate) mod demo;
pub(crate) mod group;
pub(crate) mod kcl;
pub(crate) mod log;
pub(crate) mod put;
pub(crate) mod serve;
pub(crate) mod stream;
pub(crate) mod tail;

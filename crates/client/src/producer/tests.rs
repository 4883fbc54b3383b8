//! A producer against a service that fails in every way that services fail, in a time of its own; and its handle in tokio's.

mod handle;
mod scripted;
mod service;
mod simulated;

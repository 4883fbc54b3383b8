//! The storage engine of Rheos: a log of batches, and everything that is a view of it.
mod batch;
mod change;
mod codec;
pub mod files;
pub mod medium;
mod record;
mod state;

//! Simulation: the whole server under a seeded scheduler, clock, disk and network, in one thread.
//!
//! * [`scheduler`]: decides by the seed which task, or which step of the log, runs next
//! * [`clock`], [`disk`], [`network`], [`dice`]: the parameters of the server
//! * [`node`]: the machine: starts, kills, power cuts
//! * [`client`], [`workload`]: real HTTP clients that try again, and what they do
//! * [`faults`]: who makes trouble
//! * [`history`], [`checker`]: what was asked and answered, and whether it may be so
//! * [`run`]: one seed from its beginning to its verdict
//! * [`sabotage`]: defects on purpose, which the checker must find
//! * [`trace`]: every decision, as a hash that two runs of a seed have in common

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a simulation that cannot go on has failed")]

pub mod checker;
pub mod client;
pub mod clock;
pub mod dice;
pub mod disk;
pub mod faults;
pub mod history;
pub mod network;
pub mod node;
pub mod run;
pub mod sabotage;
pub mod scheduler;
pub mod trace;
pub mod workload;

//! The server: what stands between a socket and the streams.
//!
//! A request passes through, in this order:
//!
//! | module | what it does |
//! | --- | --- |
//! | `listener` | accepts connections, tells their protocols apart, bounds them, and drains them at the end |
//! | `tls`, `dev_tls` | certificates: from files or of an authority of our own, kept fresh |
//! | `request` | the one order of checks: size, method, content type, target, signature, then the operation's own |
//! | `body`, `admission` | bodies bounded in size, memory and time |
//! | `subscribers` | what subscriptions share: memory and pace |
//! | `auth`, [`credentials`] | who calls |
//! | [`chaos`] | faults on purpose |
//! | `dispatch` | one table from operations of Kinesis to functions |
//! | `neighbours` | the same for the services beside it |
//! | `services` | one file for each operation: wire to streams and back |
//! | `fault` | errors of streams and log to errors of AWS: all texts are there |
//! | [`network`], [`spawn`] | where connections come from and who runs what, as parameters |
//! | `answer` | ids, dates and CORS on the way out |
//!
//! [`config`] is the only place of configuration, and [`compose`] the only one that knows what the parts are made of.

mod admission;
mod answer;
mod auth;
mod body;
pub mod chaos;
pub mod compose;
pub mod config;
pub mod credentials;
mod dev_tls;
mod dispatch;
mod fault;
#[cfg(feature = "fuzz")]
pub mod fuzz;
mod health;
mod listener;
mod neighbours;
pub mod network;
mod own_files;
mod request;
mod services;
pub mod spawn;
mod subscribers;
mod telemetry;
mod tls;

pub use compose::{Machine, Memory, Running, StartError, Store, run, start, start_on};
pub use config::{Config, Flags};

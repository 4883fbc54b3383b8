//! A whole server inside a test, and a client that can also say what no client would.
//!
//! * [`TestServer`]: on a free port, with its log in memory or in a temporary directory
//! * [`Call`]: one request, signed unless it is spoilt on purpose
//! * [`Connection`]: a socket with a little HTTP on top
//! * [`Events`]: what SubscribeToShard sends
//! * [`H2`], [`tls()`]: real clients of HTTP/2 and of TLS
//! * [`TestClock`]: the real time and whatever a test adds to it
//!
//! What tests call, and what they are answered, is written down where `cargo xtask coverage` asks for it.
//!
//! For tests only: what goes wrong here panics.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod call;
mod clock;
mod connection;
mod coverage;
mod events;
mod h2;
mod server;

pub use call::Call;
pub use clock::TestClock;
pub use connection::{Answer, Connection, Events, Wire};
pub use events::Frame;
pub use h2::{H2, tls, tls_of};
pub use server::{Home, TestServer};

//! bench
use crate::args::BenchCommand; use crate::failure::Outcome; use crate::output::Output;
pub(crate) async fn run(_: BenchCommand, _: &Output) -> Outcome { Ok(()) }

//! demo
pub(crate) mod apps { use crate::args::Application; use crate::failure::Outcome; use crate::output::Output;
pub(crate) async fn run(_: Application, _: Output) -> Outcome { Ok(()) } }
use crate::args::Demo; use crate::failure::Outcome; use crate::output::Output;
pub(crate) async fn run(_: Demo, _: Output) -> Outcome { Ok(()) }

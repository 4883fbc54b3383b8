//! `cargo xtask crash-images`: recovers every image that a power cut could leave at every sync of generated histories, as
//! many as one likes. The images and what they are held to are in `crates/log/src/tests/images`.

use anyhow::ensure;

use crate::workspace::{cargo, run as execute};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How many histories
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    histories: u64,
    /// The seed of the first history; each one after it has the next number
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Look at this sync point of one history only
    #[arg(long, value_name = "NUMBER")]
    point: Option<u64>,
    /// Look at this image of that sync point only
    #[arg(long, value_name = "NUMBER", requires = "point")]
    image: Option<u64>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let Options { histories, seed, point, image } = *options;
    ensure!(histories > 0, "--histories must be at least 1");
    let histories = if point.is_some() { 1 } else { histories };
    let numbers = [Some(seed), Some(histories), point, image];
    let numbers: Vec<_> = numbers.into_iter().flatten().map(|number| number.to_string()).collect();
    let mut command = cargo();
    // The profile of the tests, in which the log is optimised and checks its arithmetic.
    command.args(["test", "--quiet", "--package", "rheos-log", "--lib", "--"]);
    command.args(["--exact", "tests::images::every_image_of_generated_histories_is_recovered", "--nocapture"]);
    execute(command.env("RHEOS_CRASH_IMAGES", numbers.join(" ")))
}

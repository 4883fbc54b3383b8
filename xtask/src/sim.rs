//! `cargo xtask sim`: the simulation of `sim/`, built for speed.

use crate::workspace::{cargo, run as execute};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// What the simulation takes; `cargo xtask sim --help` says what that is
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let profile = ["run", "--quiet", "--profile", "simulation", "--package", "rheos-sim", "--"];
    execute(cargo().args(profile).args(&options.arguments))
}

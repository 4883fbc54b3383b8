//! `cargo xtask test`: every check and every test, one step after the other, and a summary.
//!
//! A step that fails does not keep the later ones from running. A step whose tool is missing is skipped by name; where
//! `CI=true` it fails.

use std::process::Command;
use std::time::Duration;

use anyhow::{bail, ensure};

use crate::workspace::{cargo, is_ci, run as execute};
use crate::{compat, coverage, fuzz, tidy, workspace};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Run only the step of this name; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Name the steps and what they do, and run none
    #[arg(long)]
    list: bool,
}

struct Step {
    name: &'static str,
    about: &'static str,
    /// What has to be there, or why it cannot be run.
    missing: fn() -> Option<String>,
    run: fn() -> anyhow::Result<()>,
}

const STEPS: &[Step] = &[
    Step { name: "format", about: "the sources are as rustfmt writes them", missing: no_rustfmt, run: format },
    Step { name: "codegen", about: "generated sources are what the model says", missing: no_rustfmt, run: codegen },
    Step { name: "tidy", about: "dependencies, sizes, marks, links, licences", missing: nothing, run: tidy::run },
    Step { name: "clippy", about: "no warnings, in any target", missing: no_clippy, run: clippy },
    Step { name: "rust", about: "cargo test: crates, crashes, kill -9, full disks", missing: nothing, run: rust },
    Step { name: "coverage", about: "a test of each operation, member and error", missing: nothing, run: coverage },
    Step { name: "fuzz", about: "every decoder, 20 s of the processor each", missing: fuzz::missing, run: fuzz },
    Step { name: "demo", about: "the first command of the README, at full speed", missing: nothing, run: demo },
    Step {
        name: "speed",
        about: "no less than half of the recorded share of the roofline",
        missing: compat::no_python,
        run: speed,
    },
    Step {
        name: "growth",
        about: "what grows and what must not, and memory, small",
        missing: compat::no_python,
        run: growth,
    },
    Step { name: "docs", about: "the API documentation has no broken links", missing: nothing, run: docs },
    Step { name: "compat", about: "unmodified clients against a server", missing: compat::missing, run: compat },
];

enum Outcome {
    Passed,
    Failed(anyhow::Error),
    Skipped(String),
}

#[expect(clippy::print_stdout, reason = "the report is what this is for")]
pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let steps = choose(&options.only)?;
    if options.list {
        steps.iter().for_each(|step| println!("{:<8} {}", step.name, step.about));
        return Ok(());
    }
    let mut results = Vec::new();
    for step in steps {
        println!("\n=== {}: {}", step.name, step.about);
        let begun = now();
        let outcome = perform(step, is_ci());
        if let Outcome::Failed(error) = &outcome {
            println!("{error:#}");
        }
        results.push((step.name, outcome, begun.elapsed()));
    }
    println!("\n=== summary");
    results.iter().for_each(|(name, outcome, took)| println!("{}", line(name, outcome, *took)));
    let count = |of: fn(&Outcome) -> bool| results.iter().filter(|(_, outcome, _)| of(outcome)).count();
    let failed = count(|outcome| matches!(outcome, Outcome::Failed(_)));
    let skipped = count(|outcome| matches!(outcome, Outcome::Skipped(_)));
    let passed = results.len() - failed - skipped;
    println!("steps: {passed} passed, {failed} failed, {skipped} skipped");
    ensure!(failed == 0, "{failed} of {} steps failed", results.len());
    Ok(())
}

fn choose(only: &[String]) -> anyhow::Result<Vec<&'static Step>> {
    if let Some(unknown) = only.iter().find(|name| STEPS.iter().all(|step| step.name != name.as_str())) {
        bail!("there is no step {unknown:?}; `cargo xtask test --list` names them");
    }
    Ok(STEPS.iter().filter(|step| only.is_empty() || only.iter().any(|name| name == step.name)).collect())
}

fn perform(step: &Step, is_ci: bool) -> Outcome {
    match (step.missing)() {
        Some(missing) if is_ci => Outcome::Failed(anyhow::anyhow!("{missing}")),
        Some(missing) => Outcome::Skipped(missing),
        None => (step.run)().map_or_else(Outcome::Failed, |()| Outcome::Passed),
    }
}

fn line(name: &str, outcome: &Outcome, took: Duration) -> String {
    let took = took.as_secs_f64();
    match outcome {
        Outcome::Passed => format!("  ok       {name:<8} {took:>6.1} s"),
        Outcome::Failed(error) => format!("  FAILED   {name:<8} {took:>6.1} s  {error}"),
        Outcome::Skipped(why) => format!("  skipped  {name:<8}          {why}"),
    }
}

#[expect(clippy::disallowed_methods, reason = "a build helper is not under test or simulation")]
fn now() -> std::time::Instant {
    std::time::Instant::now()
}

fn nothing() -> Option<String> {
    None
}

fn no_rustfmt() -> Option<String> {
    no_component("rustfmt", "rustfmt")
}

fn no_clippy() -> Option<String> {
    no_component("cargo-clippy", "clippy")
}

fn no_component(program: &str, component: &str) -> Option<String> {
    let works = crate::workspace::works(Command::new(program).arg("--version"));
    (!works).then(|| format!("{component} is not installed: `rustup component add {component}`"))
}

fn format() -> anyhow::Result<()> {
    execute(cargo().args(["fmt", "--all", "--check"]))
}

fn codegen() -> anyhow::Result<()> {
    execute(Command::new(std::env::current_exe()?).args(["codegen", "--check"]))
}

fn clippy() -> anyhow::Result<()> {
    execute(cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))
}

fn rust() -> anyhow::Result<()> {
    execute(coverage::recorded(cargo().args(["test", "--workspace", "--no-fail-fast"]))?)
}

/// Of what the step `rust` has left, if it ran; else of a run of its own.
fn coverage() -> anyhow::Result<()> {
    coverage::run(&coverage::Options::CHECK)
}

fn fuzz() -> anyhow::Result<()> {
    fuzz::run(&fuzz::Options::check())
}

/// As the README has it, but for the profile, which would build everything once more, and the speed.
fn demo() -> anyhow::Result<()> {
    execute(cargo().args(["run", "--", "demo", "--speed", "max"]))
}

/// A glance of some seconds for each workload: a machine's figures differ from day to day, their ratio hardly does.
fn speed() -> anyhow::Result<()> {
    measure("bench/compare", &["--check"])
}

/// The measurements of growth and of memory, small and for their counts: times say nothing here.
fn growth() -> anyhow::Result<()> {
    execute(cargo().arg("build"))?;
    let rheos = workspace::target().join("debug/rheos");
    let rheos = rheos.to_string_lossy();
    measure("bench/growth", &["--scale", "0.01", "--check", "--rheos", &rheos])?;
    measure("bench/memory", &["--budgets", "512", "--seconds", "5", "--check", "--rheos", &rheos])
}

/// Runs one of the scripts that measure.
fn measure(script: &str, arguments: &[&str]) -> anyhow::Result<()> {
    execute(Command::new("python3").arg(workspace::root().join(script)).args(arguments))
}

fn docs() -> anyhow::Result<()> {
    let mut command = cargo();
    command.args(["doc", "--workspace", "--no-deps", "--document-private-items", "--quiet"]);
    // Private items are documented too, so that a link to one leads somewhere.
    execute(command.env("RUSTDOCFLAGS", "-D warnings -A rustdoc::private_intra_doc_links"))
}

fn compat() -> anyhow::Result<()> {
    compat::run(&compat::Options::CHECK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(missing: fn() -> Option<String>, run: fn() -> anyhow::Result<()>) -> Step {
        Step { name: "x", about: "", missing, run }
    }

    #[test]
    fn a_missing_tool_is_skipped_by_name_and_fails_in_ci() {
        let step = step(|| Some("no such tool".to_owned()), || Ok(()));
        assert!(matches!(perform(&step, false), Outcome::Skipped(why) if why == "no such tool"));
        assert!(matches!(perform(&step, true), Outcome::Failed(why) if why.to_string() == "no such tool"));
    }

    #[test]
    fn a_failure_is_a_failure() {
        assert!(matches!(perform(&step(nothing, || bail!("broken")), false), Outcome::Failed(_)));
        assert!(matches!(perform(&step(nothing, || Ok(())), true), Outcome::Passed));
    }

    #[test]
    fn steps_are_chosen_by_name() {
        assert_eq!(choose(&[]).unwrap().len(), STEPS.len());
        assert_eq!(choose(&["tidy".to_owned()]).unwrap()[0].name, "tidy");
        assert!(choose(&["tiddy".to_owned()]).is_err());
    }
}

//! `cargo xtask compat`: unmodified AWS clients against a real server, and the table of what they did.
//!
//! The clients are installed at pinned versions (`compat/requirements.txt` for those in Python, the lock file of its own
//! language for each other one) below the target folder. The suite in `compat/` starts the server that was just built, uses
//! it as a new user would, and writes the table that stands in `docs/compatibility.md`. A client whose language is not
//! installed is skipped by name; in CI that is an error.

use std::path::PathBuf;
use std::process::Command;

use crate::marks::Marked;
use crate::workspace::{cargo, install, is_ci, read, root, run as execute, target, works, write};

const DOCUMENT: &str = "docs/compatibility.md";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Write the table of results into docs/compatibility.md instead of comparing it
    #[arg(long)]
    write: bool,
    /// Run only the tests that match, in pytest's notation; the table is left alone
    #[arg(short = 'k', long, value_name = "EXPRESSION")]
    only: Option<String>,
}

impl Options {
    /// What `cargo xtask test` runs.
    pub(crate) const CHECK: Self = Self { write: false, only: None };
}

/// What is missing on this machine; installs it first where that is ours to do.
pub(crate) fn missing() -> Option<String> {
    let unfit = || environment().err().map(|error| format!("boto3 and the AWS CLI cannot be installed: {error:#}"));
    no_python().or_else(unfit)
}

/// That there is no Python, for whatever is written in it; installs it first where that is ours to do.
pub(crate) fn no_python() -> Option<String> {
    if !has_python() {
        install(&["python3", "python3-venv"]);
    }
    let missing = "Python 3.9 or newer with its venv module is not installed: `apt-get install python3 python3-venv`";
    (!has_python()).then(|| missing.to_owned())
}

fn has_python() -> bool {
    let check = "import sys, venv, ensurepip; assert sys.version_info >= (3, 9)";
    works(Command::new("python3").args(["-c", check]))
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let python = environment()?;
    // Together, so that what both depend on is built once.
    execute(cargo().args(["build", "--package", "rheos", "--package", "rheos-compat"]))?;
    let table = target().join("compat/table.md");
    let mut pytest = Command::new(&python);
    pytest.current_dir(root().join("compat")).args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]);
    pytest.env("RHEOS_BIN", target().join("debug/rheos")).env("RHEOS_COMPAT_TABLE", &table);
    pytest.env("RHEOS_COMPAT_CACHE", target().join("compat")).env("PYTHONDONTWRITEBYTECODE", "1");
    if is_ci() || options.write {
        pytest.env("RHEOS_COMPAT_ALL", "1");
    }
    if let Some(only) = &options.only {
        return execute(pytest.args(["-k", only]));
    }
    execute(&mut pytest)?;
    let (document, table) = (root().join(DOCUMENT), read(&table)?);
    let marked = Marked { document: &document, command: "cargo xtask compat --write", table: &table };
    // A client that this machine cannot run has no line in the table.
    marked.place(options.write, |text, table| {
        !is_ci() && table.lines().all(|line| text.lines().any(|known| known == line))
    })
}

/// The Python of an environment that has what `compat/requirements.txt` says, and nothing from an earlier version of it.
fn environment() -> anyhow::Result<PathBuf> {
    let folder = target().join("compat/venv");
    let requirements = root().join("compat/requirements.txt");
    let wanted = read(&requirements)?;
    let python = folder.join("bin/python");
    let stamp = folder.join("installed.txt");
    if read(&stamp).is_ok_and(|installed| installed == wanted)
        && works(Command::new(&python).args(["-m", "pytest", "--version"]))
    {
        return Ok(python);
    }
    execute(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"];
    execute(Command::new(&python).args(install).arg(&requirements))?;
    write(&stamp, &wanted)?;
    Ok(python)
}

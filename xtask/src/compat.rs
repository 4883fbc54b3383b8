//! `cargo xtask compat`: unmodified AWS clients against a real server, and the table of what they did.
//!
//! The clients are installed at pinned versions (`compat/requirements.txt` for those in Python, the lock file of its own
//! language for each other one) below the target folder. The suite in `compat/` starts the server that was just built, uses
//! it as a new user would, and writes the table that stands in `docs/compatibility.md`. A client whose language is not
//! installed is skipped by name; in CI that is an error.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::workspace::{cargo, is_ci, output, read, root, run as execute, target, works, write};

const DOCUMENT: &str = "docs/compatibility.md";
const BEGIN: &str = "<!-- begin: written by `cargo xtask compat --write` -->";
const END: &str = "<!-- end -->";

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
    if !has_python() && is_ci() && is_root() {
        // If this does not help, the check below says so.
        works(Command::new("apt-get").args(["update", "-q"]));
        works(Command::new("apt-get").args(["install", "-q", "-y", "python3", "python3-venv"]));
    }
    if !has_python() {
        let install = "`apt-get install python3 python3-venv`";
        return Some(format!("Python 3.9 or newer with its venv module is not installed: {install}"));
    }
    environment().err().map(|error| format!("boto3 and the AWS CLI cannot be installed: {error:#}"))
}

fn has_python() -> bool {
    let check = "import sys, venv, ensurepip; assert sys.version_info >= (3, 9)";
    works(Command::new("python3").args(["-c", check]))
}

fn is_root() -> bool {
    output(Command::new("id").arg("-u")).is_ok_and(|id| id.trim() == "0")
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
    place(&root().join(DOCUMENT), &read(&table)?, options.write)
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

/// Puts the table between its marks in the document, or checks that what it says stands there.
fn place(document: &Path, table: &str, may_write: bool) -> anyhow::Result<()> {
    let text = read(document)?;
    let updated = replace_between(&text, table)?;
    if updated == text {
        return Ok(());
    }
    if may_write {
        return write(document, &updated);
    }
    // A client that this machine cannot run has no line in the table.
    let differs = is_ci() || table.lines().any(|line| !text.lines().any(|known| known == line));
    ensure!(
        !differs,
        "{} is not what this run found; `cargo xtask compat --write` writes it:\n{table}",
        document.display()
    );
    Ok(())
}

fn replace_between(text: &str, table: &str) -> anyhow::Result<String> {
    let (before, rest) = text.split_once(BEGIN).with_context(|| format!("no line {BEGIN:?}"))?;
    let (_, after) = rest.split_once(END).with_context(|| format!("no line {END:?}"))?;
    ensure!(!table.contains(END), "the table has the mark of its end");
    Ok(format!("{before}{BEGIN}\n{}\n{END}{after}", table.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_replaces_the_one_before() {
        let text = format!("top\n{BEGIN}\nold\n{END}\nbottom\n");
        let new = replace_between(&text, "| new |\n").unwrap();
        assert_eq!(new, format!("top\n{BEGIN}\n| new |\n{END}\nbottom\n"));
        assert_eq!(replace_between(&new, "| new |\n").unwrap(), new);
        assert!(replace_between("no marks", "x").is_err());
    }
}

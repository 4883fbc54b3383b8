//! `cargo xtask tidy`: what no compiler checks. Every finding is one line that says where and what to do.

mod dependencies;
mod licences;
mod sources;
mod traps;

use anyhow::ensure;

use crate::workspace::{cargo, output, root};

pub(crate) fn run() -> anyhow::Result<()> {
    let metadata = output(cargo().args(["metadata", "--format-version", "1"]))?;
    let mut findings = dependencies::check(&dependencies::Graph::of(&metadata)?);
    findings.extend(licences::check(&metadata)?);
    findings.extend(sources::check(root())?);
    findings.extend(traps::check(root())?);
    ensure!(findings.is_empty(), "{} finding(s):\n  {}", findings.len(), findings.join("\n  "));
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_workspace_is_tidy() {
        super::run().unwrap();
    }
}

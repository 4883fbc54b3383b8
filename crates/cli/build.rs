//! Tells the binary which commit it was built from, when the source is a git checkout; nothing else happens at build time.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=../../.git/logs/HEAD");
    let commit = Command::new("git").args(["rev-parse", "--short=10", "HEAD"]).output();
    let commit = commit.ok().filter(|answer| answer.status.success());
    let commit = commit.and_then(|answer| String::from_utf8(answer.stdout).ok());
    if let Some(commit) = commit {
        println!("cargo:rustc-env=RHEOS_COMMIT={}", commit.trim());
    }
}

//! The files that are checked in: none too long to read, none with a left-over mark, none that names a package registry.

use std::path::Path;
use std::process::Command;

use crate::workspace::{output, read};

/// A file longer than this is two files.
const MAX_LINES: usize = 700;

/// Where people write by hand: marks are looked for in files with these endings.
const WRITTEN: &[&str] = &["rs", "py", "toml", "sh", "md"];

/// Looks through every file that git knows, or would add, below `root`.
pub(super) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard"];
    let names = output(Command::new("git").current_dir(root).args(list))?;
    let mut findings = Vec::new();
    for name in names.lines() {
        // Deleted but not yet committed, or not text: an image, an archive.
        if let Ok(text) = read(&root.join(name)) {
            findings.extend(check_file(name, &text));
            if name.ends_with(".md") {
                let folder = root.join(name);
                let exists = |target: &str| folder.parent().is_some_and(|folder| folder.join(target).exists());
                findings.extend(check_links(name, &text, exists));
            }
        }
    }
    Ok(findings)
}

fn check_file(name: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    let ending = name.rsplit('.').next().unwrap_or("");
    let is_generated = name.contains("/generated/");
    let lines = text.lines().count();
    if ending == "rs" && lines > MAX_LINES && !is_generated {
        findings.push(format!("{name}: {lines} lines; split it by meaning before it passes {MAX_LINES}"));
    }
    let is_lock = name.ends_with("Cargo.lock") || name.ends_with("package-lock.json");
    for (at, line) in text.lines().enumerate() {
        let at = at + 1;
        if WRITTEN.contains(&ending) && !is_generated {
            let mark = marks().into_iter().find(|mark| line.contains(mark.as_str()));
            findings.extend(mark.map(|mark| format!("{name}:{at}: left-over {mark}; do it, or open an issue")));
        }
        let host = if is_lock { None } else { registry_hosts().into_iter().find(|host| line.contains(host.as_str())) };
        findings
            .extend(host.map(|host| format!("{name}:{at}: names the package registry {host}; say the package's name")));
    }
    findings
}

/// Links of a page to files of the repository, which have to exist.
fn check_links(name: &str, text: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    let links = text.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
    let files = links.filter(|link| !link.contains("://") && !link.starts_with('#'));
    let files = files.map(|link| link.split_once('#').map_or(link, |(file, _)| file));
    files.filter(|file| !exists(file)).map(|file| format!("{name}: links to {file}, which is not there")).collect()
}

/// Marks of work that was not finished. Put together here, so that this file has none.
fn marks() -> [String; 5] {
    [["to", "do!("], ["unimple", "mented!("], ["#[ig", "nore"], ["TO", "DO"], ["FIX", "ME"]].map(|parts| parts.concat())
}

/// Hosts of package registries: which one is used is the configuration of each machine's clients.
fn registry_hosts() -> [String; 9] {
    [
        ["crates", "io"],
        ["pypi", "org"],
        ["pythonhosted", "org"],
        ["npmjs", "org"],
        ["npmjs", "com"],
        ["maven.apache", "org"],
        ["maven", "org"],
        ["proxy.golang", "org"],
        ["deb.debian", "org"],
    ]
    .map(|parts| parts.join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_file_passes() {
        assert_eq!(check_file("crates/a/src/lib.rs", "//! A file.\nfn todo() {}\n"), Vec::<String>::new());
    }

    #[test]
    fn marks_are_found_where_people_write() {
        for mark in marks() {
            let text = format!("one\n{mark}\n");
            assert!(check_file("a/b.rs", &text)[0].starts_with("a/b.rs:2: left-over"), "{mark}");
            assert!(check_file("a/model.json", &text).is_empty(), "{mark}");
            assert!(check_file("a/generated/b.rs", &text).is_empty(), "{mark}");
        }
    }

    #[test]
    fn links_lead_somewhere() {
        let text = "[a](there.md) [b](there.md#part) [c](https://example.com/x) [d](#part) [e](lost.md)";
        assert_eq!(
            check_links("a.md", text, |file| file == "there.md"),
            ["a.md: links to lost.md, which is not there"]
        );
    }

    #[test]
    fn long_files_are_found_unless_generated() {
        let long = "x\n".repeat(MAX_LINES + 1);
        assert!(!check_file("a/b.rs", &long).is_empty());
        assert!(check_file("a/generated/b.rs", &long).is_empty());
        assert!(check_file("a/b.md", &long).is_empty());
    }

    #[test]
    fn registries_are_found_everywhere_but_in_lock_files() {
        for host in registry_hosts() {
            assert!(!check_file("README.md", &format!("see https://{host}/x")).is_empty(), "{host}");
            assert!(check_file("a/Cargo.lock", &format!("source = \"{host}\"")).is_empty(), "{host}");
        }
    }
}

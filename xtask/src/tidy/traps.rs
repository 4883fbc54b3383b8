//! The lists of traps (`docs/traps.md`): every item names tests, and they exist.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crate::workspace::{output, read};

const DOCUMENT: &str = "docs/traps.md";
/// Where a test is named after its item, so that each has to be in the list.
const FOLDER: &str = "crates/server/tests/traps/";

pub(super) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard", "--", "crates"];
    let names = output(Command::new("git").current_dir(root).args(list))?;
    let (mut tests, mut named_after) = (BTreeSet::new(), BTreeSet::new());
    for name in names.lines().filter(|name| name.ends_with(".rs")) {
        // Deleted but not yet committed, if it cannot be read.
        let Ok(text) = read(&root.join(name)) else { continue };
        let found = tests_of(&text);
        if name.starts_with(FOLDER) {
            named_after.extend(found.clone());
        }
        tests.extend(found);
    }
    Ok(compare(&read(&root.join(DOCUMENT))?, &tests, &named_after))
}

/// The tests of a file, by name.
fn tests_of(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((_, after)) = line.split_once("fn ") {
            let name = after.split('(').next().unwrap_or_default();
            if std::mem::take(&mut is_test) {
                found.insert(name.to_owned());
            }
        }
    }
    found
}

fn compare(document: &str, tests: &BTreeSet<String>, named_after: &BTreeSet<String>) -> Vec<String> {
    let (mut findings, mut listed) = (Vec::new(), BTreeSet::new());
    for (at, row) in document.lines().enumerate().filter(|(_, line)| line.starts_with('|')) {
        let at = at + 1;
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [number, _, shown] = cells.as_slice() else {
            findings.push(format!("{DOCUMENT}:{at}: a row is an item, what it is and its tests"));
            continue;
        };
        if *number == "Item" || number.starts_with("---") {
            continue;
        }
        let names: Vec<&str> = shown.split('`').skip(1).step_by(2).collect();
        if names.is_empty() {
            findings.push(format!("{DOCUMENT}:{at}: names no test"));
        }
        for name in names {
            if !tests.contains(name) {
                findings.push(format!("{DOCUMENT}:{at}: there is no test {name}"));
            }
            listed.insert(name);
        }
    }
    let unlisted = named_after.iter().filter(|name| !listed.contains(name.as_str()));
    findings.extend(unlisted.map(|name| format!("{DOCUMENT}: does not name the test {name} of {FOLDER}")));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_found_by_their_attributes() {
        let text =
            "#[test]\nfn one() {}\nfn helper() {}\n    #[tokio::test(start_paused = true)]\n    async fn two() {}\n";
        assert!(tests_of(text).iter().eq(["one", "two"].iter()));
    }

    #[test]
    fn items_and_tests_are_compared_both_ways() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let document =
            "| Item | Trap | Shown by |\n| --- | --- | --- |\n| 1 | a | `one`, `lost` |\n| 2 | b | nothing |\n";
        assert_eq!(
            compare(document, &set(&["one", "two"]), &set(&["one", "two"])),
            [
                "docs/traps.md:3: there is no test lost",
                "docs/traps.md:4: names no test",
                "docs/traps.md: does not name the test two of crates/server/tests/traps/",
            ]
        );
        assert!(compare("| 1 | a | `one` |\n", &set(&["one"]), &set(&["one"])).is_empty());
    }
}

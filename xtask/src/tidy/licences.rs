//! Licences of everything that is linked: permissive ones, so that Rheos under Apache-2.0 can be used anywhere.

use anyhow::Context as _;
use serde::Deserialize;

/// Licences that ask for no more than notices.
const PERMISSIVE: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "BlueOak-1.0.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "NCSA",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    license_file: Option<String>,
}

/// Packages that may not be linked.
pub(super) fn check(metadata: &str) -> anyhow::Result<Vec<String>> {
    let metadata: Metadata = serde_json::from_str(metadata).context("cargo metadata has another form than known")?;
    Ok(metadata.packages.iter().filter_map(finding).collect())
}

fn finding(package: &Package) -> Option<String> {
    let Package { name, version, license, license_file } = package;
    let Some(licence) = license else {
        let file = license_file.as_deref().unwrap_or("nowhere");
        return Some(format!("{name} {version}: names no licence (text: {file})"));
    };
    (!is_permissive(licence)).then(|| format!("{name} {version}: licence {licence} is not permissive"))
}

/// Whether an SPDX expression lets one choose permissive licences only. Totally read: what is not understood is not
/// permissive.
fn is_permissive(expression: &str) -> bool {
    // The old form "MIT/Apache-2.0" means OR.
    let expression = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = expression.split_whitespace().collect();
    let mut rest = words.as_slice();
    alternatives(&mut rest) == Some(true) && rest.is_empty()
}

fn alternatives(rest: &mut &[&str]) -> Option<bool> {
    let mut any = conjunction(rest)?;
    while let ["OR", after @ ..] = *rest {
        *rest = after;
        any |= conjunction(rest)?;
    }
    Some(any)
}

fn conjunction(rest: &mut &[&str]) -> Option<bool> {
    let mut all = one(rest)?;
    while let ["AND", after @ ..] = *rest {
        *rest = after;
        all &= one(rest)?;
    }
    Some(all)
}

fn one(rest: &mut &[&str]) -> Option<bool> {
    match *rest {
        ["(", after @ ..] => {
            *rest = after;
            let inner = alternatives(rest)?;
            let [")", after @ ..] = *rest else { return None };
            *rest = after;
            Some(inner)
        }
        [licence, "WITH", exception, after @ ..] => {
            *rest = after;
            Some(PERMISSIVE.contains(&format!("{licence} WITH {exception}").as_str()))
        }
        [licence, after @ ..] => {
            *rest = after;
            Some(PERMISSIVE.contains(licence))
        }
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_understood() {
        for fine in [
            "MIT",
            "MIT OR Apache-2.0",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert!(is_permissive(fine), "{fine}");
        }
        for not in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MPL-2.0",
            "",
            "(MIT",
            "MIT)",
            "MIT MIT",
            "OR",
            "GPL-2.0 WITH LLVM-exception",
        ] {
            assert!(!is_permissive(not), "{not}");
        }
    }

    #[test]
    fn a_package_without_a_permissive_licence_is_named() {
        let metadata = |licence: &str| {
            format!(r#"{{"packages":[{{"name":"some","version":"1.0.0","license":{licence},"license_file":null}}]}}"#)
        };
        assert!(check(&metadata(r#""MIT""#)).unwrap().is_empty());
        assert!(!check(&metadata(r#""MPL-2.0+""#)).unwrap().is_empty());
        assert!(!check(&metadata("null")).unwrap().is_empty());
    }
}

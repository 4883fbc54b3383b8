//! Who may depend on whom. The table is the architecture: an edge that is not in it is an error, and changing the table
//! is a decision that belongs into ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde::Deserialize;

/// What each crate of the workspace may import of the others. Tests may import what the crate itself may, and the kit.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("rheos-types", &[]),
    ("rheos-wire", &["rheos-types"]),
    ("rheos-log", &["rheos-types"]),
    ("rheos-streams", &["rheos-log", "rheos-types"]),
    ("rheos-tables", &["rheos-log", "rheos-types"]),
    ("rheos-account", &["rheos-log", "rheos-types"]),
    ("rheos-server", &["rheos-streams", "rheos-tables", "rheos-account", "rheos-wire", "rheos-log", "rheos-types"]),
    ("rheos-client", &["rheos-wire", "rheos-types"]),
    (
        "rheos",
        &["rheos-client", "rheos-server", "rheos-streams", "rheos-tables", "rheos-wire", "rheos-log", "rheos-types"],
    ),
    (KIT, &["rheos-server", "rheos-streams", "rheos-tables", "rheos-wire", "rheos-log", "rheos-types"]),
    (
        "rheos-fuzz",
        &["rheos-client", "rheos-server", "rheos-streams", "rheos-tables", "rheos-wire", "rheos-log", "rheos-types"],
    ),
    // Stands outside: it may import everything, and nothing imports it.
    ("rheos-sim", &[KIT, "rheos-server", "rheos-streams", "rheos-tables", "rheos-wire", "rheos-log", "rheos-types"]),
    ("rheos-compat", &[]),
    ("xtask", &[]),
];

/// Only tests may import it.
const KIT: &str = "rheos-testkit";

/// What a crate must not reach, through any number of others: the edge, and why it is deliberately absent.
const MUST_NOT_REACH: &[(&str, &str, &str)] = &[
    ("rheos-types", "tokio", "the words know no runtime"),
    ("rheos-wire", "tokio", "bytes become types without a runtime, so that clients and fuzzers can use it"),
    ("rheos-wire", "hyper", "bytes become types without a listener"),
    ("rheos-log", "rheos-streams", "the log does not know what a stream is"),
    ("rheos-log", "rheos-wire", "the log does not know who asks"),
    ("rheos-log", "hyper", "the log does not know who asks"),
    ("rheos-streams", "rheos-wire", "no HTTP and no JSON below the server"),
    ("rheos-streams", "hyper", "no HTTP and no JSON below the server"),
    ("rheos-streams", "http", "no HTTP and no JSON below the server"),
    ("rheos-tables", "rheos-wire", "no HTTP and no texts of errors below the server"),
    ("rheos-tables", "rheos-streams", "leases are kept without knowing of what"),
    ("rheos-tables", "hyper", "no HTTP below the server"),
    ("rheos-tables", "http", "no HTTP below the server"),
    ("rheos-account", "rheos-wire", "no HTTP and no JSON below the server"),
    ("rheos-account", "hyper", "no HTTP and no JSON below the server"),
    ("rheos-server", "aws-sdk-kinesis", "the server is not a client"),
    ("rheos-client", "rheos-log", "a client knows a server by its API"),
    ("rheos-client", "rheos-streams", "a client knows a server by its API"),
    ("rheos-client", "rheos-server", "a client knows a server by its API"),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Normal,
    Build,
    Dev,
}

/// Packages and what they import, by name. Versions do not matter here.
#[derive(Default)]
pub(super) struct Graph {
    members: BTreeSet<String>,
    edges: BTreeMap<String, BTreeSet<(String, Kind)>>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

impl Graph {
    /// The graph in the output of `cargo metadata`.
    pub(super) fn of(metadata: &str) -> anyhow::Result<Self> {
        let metadata: Metadata =
            serde_json::from_str(metadata).context("cargo metadata has another form than known")?;
        let names: BTreeMap<&str, &str> =
            metadata.packages.iter().map(|package| (package.id.as_str(), package.name.as_str())).collect();
        let name = |id: &str| names.get(id).map(|name| (*name).to_owned()).with_context(|| format!("no package {id}"));
        let mut graph = Self::default();
        for member in &metadata.workspace_members {
            graph.members.insert(name(member)?);
        }
        for node in &metadata.resolve.nodes {
            for dependency in &node.deps {
                for kind in &dependency.dep_kinds {
                    let kind = match kind.kind.as_deref() {
                        None => Kind::Normal,
                        Some("build") => Kind::Build,
                        Some(_) => Kind::Dev,
                    };
                    graph.edges.entry(name(&node.id)?).or_default().insert((name(&dependency.pkg)?, kind));
                }
            }
        }
        Ok(graph)
    }

    fn imports(&self, package: &str) -> impl Iterator<Item = &(String, Kind)> {
        self.edges.get(package).into_iter().flatten()
    }

    /// How `from` comes to `to` through dependencies that end up in the program: the chain of names.
    fn path(&self, from: &str, to: &str) -> Option<Vec<String>> {
        let mut seen = BTreeSet::from([from.to_owned()]);
        let mut chains = vec![vec![from.to_owned()]];
        while let Some(chain) = chains.pop() {
            for (next, kind) in chain.last().into_iter().flat_map(|last| self.imports(last)) {
                if *kind != Kind::Normal || !seen.insert(next.clone()) {
                    continue;
                }
                let longer: Vec<String> = chain.iter().chain([next]).cloned().collect();
                if next == to {
                    return Some(longer);
                }
                chains.push(longer);
            }
        }
        None
    }
}

/// Edges that should not be there.
pub(super) fn check(graph: &Graph) -> Vec<String> {
    let mut findings = Vec::new();
    for member in &graph.members {
        let Some((_, allowed)) = MAY_IMPORT.iter().find(|(name, _)| name == member) else {
            findings.push(format!("{member}: not in the table of crates in xtask/src/tidy/dependencies.rs"));
            continue;
        };
        for (imported, kind) in graph.imports(member).filter(|(imported, _)| graph.members.contains(imported)) {
            let is_test_kit = imported == KIT && *kind == Kind::Dev;
            if !allowed.contains(&imported.as_str()) && !is_test_kit {
                findings.push(format!("{member}: must not depend on {imported} ({kind:?})"));
            }
        }
    }
    for (from, to, why) in MUST_NOT_REACH {
        if let Some(chain) = graph.path(from, to) {
            findings.push(format!("{from}: reaches {to} by {}; {why}", chain.join(" -> ")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(edges: &[(&str, &str, Kind)]) -> Graph {
        let mut graph = Graph::default();
        for (from, to, kind) in edges {
            for name in [from, to] {
                if name.starts_with("rheos") || *name == "xtask" {
                    graph.members.insert((*name).to_owned());
                }
            }
            graph.edges.entry((*from).to_owned()).or_default().insert(((*to).to_owned(), *kind));
        }
        graph
    }

    #[test]
    fn edges_of_the_table_are_fine() {
        let fine = graph(&[
            ("rheos-streams", "rheos-log", Kind::Normal),
            ("rheos-log", "rheos-types", Kind::Normal),
            ("rheos-streams", KIT, Kind::Dev),
        ]);
        assert_eq!(check(&fine), Vec::<String>::new());
    }

    #[test]
    fn an_edge_that_is_not_in_the_table_is_found() {
        for (from, to) in [("rheos-streams", "rheos-wire"), ("rheos-log", "rheos-streams"), ("xtask", "rheos-types")] {
            for kind in [Kind::Normal, Kind::Dev, Kind::Build] {
                assert!(!check(&graph(&[(from, to, kind)])).is_empty(), "{from} -> {to} {kind:?}");
            }
        }
    }

    #[test]
    fn the_kit_is_for_tests_only() {
        assert!(check(&graph(&[("rheos-log", KIT, Kind::Dev)])).is_empty());
        assert!(!check(&graph(&[("rheos-log", KIT, Kind::Normal)])).is_empty());
    }

    #[test]
    fn what_must_not_be_reached_is_found_behind_others() {
        let behind = graph(&[("rheos-wire", "helper", Kind::Normal), ("helper", "tokio", Kind::Normal)]);
        let findings = check(&behind);
        assert!(findings[0].contains("rheos-wire -> helper -> tokio"), "{findings:?}");
        let in_tests = graph(&[("rheos-wire", "helper", Kind::Dev), ("helper", "tokio", Kind::Normal)]);
        assert!(check(&in_tests).is_empty());
    }

    #[test]
    fn a_crate_that_is_not_in_the_table_is_found() {
        assert!(!check(&graph(&[("rheos-novel", "serde", Kind::Normal)])).is_empty());
    }
}

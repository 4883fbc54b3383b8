//! Every kept input to its target: what the engine found once is an ordinary test for everybody.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "helpers of a test")]

use std::path::Path;

use rheos_fuzz::{CountingAllocator, TARGETS, Target};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// The files of a folder of the targets, by target and name.
#[expect(clippy::disallowed_methods, reason = "the kept inputs are files beside the sources")]
fn kept(folder: &str) -> Vec<(&'static Target, String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut all = Vec::new();
    for target in std::fs::read_dir(&folder).unwrap().map(Result::unwrap) {
        let name = target.file_name().into_string().unwrap();
        let target_of = Target::of(&name).unwrap_or_else(|| panic!("{name} in {} is no target", folder.display()));
        for input in std::fs::read_dir(target.path()).unwrap().map(Result::unwrap) {
            let name = input.file_name().into_string().unwrap();
            all.push((target_of, name, std::fs::read(input.path()).unwrap()));
        }
    }
    all.sort_by(|a, b| (a.0.name, &a.1).cmp(&(b.0.name, &b.1)));
    all
}

/// Says which input it was, whatever happens.
fn run(target: &Target, name: &str, input: &[u8]) {
    struct Named<'a>(&'a Target, &'a str);
    impl Drop for Named<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("the input was {} of {}", self.1, self.0.name);
            }
        }
    }
    let _named = Named(target, name);
    target.run(input);
}

// One test: the memory that a target takes is counted for the whole process.
#[test]
fn kept_inputs_and_seeds_pass() {
    for target in TARGETS {
        for (at, seed) in (target.seeds)().into_iter().enumerate() {
            assert!(seed.len() <= target.longest_bytes, "{}: seed {at} is longer than any input", target.name);
            run(target, &format!("seed {at}"), &seed);
        }
        run(target, "no bytes", b"");
    }
    let (corpus, regressions) = (kept("corpus"), kept("regressions"));
    for target in TARGETS {
        assert!(corpus.iter().any(|(of, ..)| of.name == target.name), "{} has no corpus", target.name);
    }
    for (target, name, input) in corpus.iter().chain(&regressions) {
        run(target, name, input);
    }
}

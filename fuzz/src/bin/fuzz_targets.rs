//! All targets under libFuzzer. `cargo xtask fuzz` builds it and runs it, and says by a variable what to do:
//!
//! | variable | what |
//! | --- | --- |
//! | `RHEOS_FUZZ_TARGET` | the target to fuzz |
//! | `RHEOS_FUZZ_LIST` | list the targets, a line each: name, longest input in bytes, what it decodes |
//! | `RHEOS_FUZZ_SEEDS` | write the seeds of each target into this folder, as `TARGET/seed-NN` |

#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use rheos_fuzz::{CountingAllocator, TARGETS, Target};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

#[expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "a tool for developers: there is nobody else to ask"
)]
static TARGET: LazyLock<&'static Target> = LazyLock::new(|| {
    let name = std::env::var("RHEOS_FUZZ_TARGET").expect("RHEOS_FUZZ_TARGET names a target");
    Target::of(&name).expect("there is a target of this name")
});

libfuzzer_sys::fuzz_target!(
    init: {
        if std::env::var_os("RHEOS_FUZZ_LIST").is_some() {
            list();
            std::process::exit(0);
        }
        if let Some(folder) = std::env::var_os("RHEOS_FUZZ_SEEDS") {
            write_seeds(&PathBuf::from(folder));
            std::process::exit(0);
        }
    },
    |input: &[u8]| TARGET.run(input)
);

#[expect(clippy::print_stdout, reason = "a tool for developers")]
fn list() {
    for target in TARGETS {
        println!("{}\t{}\t{}", target.name, target.longest_bytes, target.about);
    }
}

#[expect(clippy::disallowed_methods, clippy::expect_used, reason = "a tool for developers")]
fn write_seeds(folder: &std::path::Path) {
    for target in TARGETS {
        let folder = folder.join(target.name);
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        for (at, seed) in (target.seeds)().into_iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{at:02}")), seed).expect("a file can be written");
        }
    }
}

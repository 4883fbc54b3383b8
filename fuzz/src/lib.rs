//! Fuzz targets: every decoder that takes bytes from outside or from disk, as a function of bytes.
//!
//! A target panics where what is promised of its decoder does not hold: that it takes any bytes without panicking, hanging
//! or taking memory that their number does not explain; that what it read it writes back the same; that two ways of
//! reading agree. [`TARGETS`] is the one table: the fuzzing engine ([`Target::run`] in `bin/fuzz_targets.rs`) and the test
//! that feeds it the kept inputs (`tests/corpus.rs`) both go through it, so that nobody needs the engine to run what it
//! has found.
//!
//! Targets of what a crate keeps to itself are in that crate, behind its feature `fuzz`.

mod answers;
mod guard;
mod http;
mod names;
mod targets;

pub use guard::CountingAllocator;
pub use targets::TARGETS;

/// A decoder under test.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// Its name, on the command line and in the folders of kept inputs.
    pub name: &'static str,
    /// What it decodes, in a few words.
    pub about: &'static str,
    /// Decodes, and panics if something is wrong.
    decode: fn(&[u8]),
    /// Real encodings to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// The longest input that is tried, in bytes.
    pub longest_bytes: usize,
    /// How much memory it may take for each byte of its input, beyond [`FREE_BYTES`].
    bytes_per_byte: usize,
}

/// What every target may take whatever its input: buffers of fixed sizes.
pub const FREE_BYTES: usize = 16 << 20;

impl Target {
    /// The target of this name.
    #[must_use]
    pub fn of(name: &str) -> Option<&'static Self> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// Runs the target on an input.
    ///
    /// # Panics
    /// If its decoder does not keep what is promised of it, bounded time and memory included.
    pub fn run(&self, input: &[u8]) {
        guard::run(self, input);
    }
}

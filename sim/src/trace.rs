//! The trace: every decision, message and disk operation, as one number that two runs of a seed must have in common, and
//! as lines for whoever asks.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::clock::SimClock;

/// What happened so far. Clones are the same trace.
#[derive(Clone)]
pub struct Trace(Arc<Mutex<State>>);

struct State {
    hash: u64,
    events: u64,
    print: bool,
    clock: SimClock,
}

impl Trace {
    /// An empty trace; with `print` each event is a line on standard output.
    #[must_use]
    pub fn new(print: bool, clock: SimClock) -> Self {
        Self(Arc::new(Mutex::new(State { hash: 0xcbf2_9ce4_8422_2325, events: 0, print, clock })))
    }

    /// Something happened.
    #[expect(clippy::print_stdout, reason = "the trace is for people, on demand")]
    pub fn note(&self, event: fmt::Arguments<'_>) {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now_ms = state.clock.elapsed_ms();
        state.events += 1;
        let mut hasher = Fnv(state.hash ^ now_ms);
        // Hashing does not fail.
        let _hashed = fmt::Write::write_fmt(&mut hasher, event);
        state.hash = hasher.0;
        if state.print {
            println!("{:>6} {now_ms:>9} ms  {event}", state.events);
        }
    }

    /// The number of events, which serves as logical time, and the hash of all of them.
    #[must_use]
    pub fn sum(&self) -> (u64, u64) {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (state.events, state.hash)
    }

    /// How many events there were: the logical time.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.sum().0
    }
}

struct Fnv(u64);

impl fmt::Write for Fnv {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(())
    }
}

/// A number for bytes, for the trace.
#[must_use]
pub fn digest(bytes: &[u8]) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(0x0000_0100_0000_01b3);
        hash ^= hash >> 29;
    }
    hash ^ bytes.len() as u64
}

macro_rules! trace {
    ($trace:expr, $($event:tt)*) => { $trace.note(format_args!($($event)*)) };
}
pub(crate) use trace;

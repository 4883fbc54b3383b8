//! Faults on purpose: throttles, failures, broken connections and late answers, so that whoever writes a client finds out
//! what it does with them.
//!
//! What happens to a request is a pure function of the seed and of the request's number, counted from 0 over the calls
//! that were admitted: the same calls in the same order meet the same faults. Nothing is injected into the log, so what
//! is acknowledged is as durable as ever. Health checks and requests that are refused before they are calls (a bad
//! signature) are left alone.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use rheos_wire::Operation;

/// The longest that an answer can be made late.
const LATEST_MS: u64 = 60_000;

/// What to inject, and how often: `seed=1,throttle=0.05,error=0.01,latency_ms=20..200`. What is not named is off.
#[derive(Clone, Debug, PartialEq)]
pub struct Chaos {
    /// Another seed, other requests. 1 unless it is named.
    pub seed: u64,
    /// The share of calls that are refused with their operation's throttling error; of PutRecords every other one is
    /// answered with some of its entries refused, and the others stored.
    pub throttle: f64,
    /// The share of calls that fail, with 500 or 503, before anything was done.
    pub error: f64,
    /// The share of calls that are answered with 500 after they were done.
    pub unknown: f64,
    /// The share of calls whose connection is closed instead of an answer, half of them after they were done.
    pub drop: f64,
    /// How late every answer is.
    pub latency_ms: RangeInclusive<u64>,
}

impl Chaos {
    const OFF: Self = Self { seed: 1, throttle: 0.0, error: 0.0, unknown: 0.0, drop: 0.0, latency_ms: 0..=0 };

    fn shares(&self) -> [f64; 4] {
        [self.throttle, self.error, self.unknown, self.drop]
    }

    /// What happens to a request.
    #[must_use]
    pub(crate) fn decide(&self, request: u64, operation: Operation) -> Injected {
        let dice = |lane| mix(mix(self.seed ^ mix(lane)).wrapping_add(request));
        let mut roll = share(dice(0));
        let mut falls_in = |part: f64| {
            let falls_in = (0.0..part).contains(&roll);
            roll -= part;
            falls_in
        };
        let variant = dice(1);
        let fault = if falls_in(self.throttle) {
            match operation {
                Operation::PutRecords if variant % 2 == 0 => Some(Injection::Entries(EntryFaults(variant))),
                _ => Some(Injection::Throttle),
            }
        } else if falls_in(self.error) {
            Some(if variant % 2 == 0 { Injection::Failure } else { Injection::Unavailable })
        } else if falls_in(self.unknown) {
            Some(Injection::Unknown)
        } else if falls_in(self.drop) {
            Some(Injection::Drop { is_done: variant % 2 == 0 })
        } else {
            None
        };
        let (least, most) = (*self.latency_ms.start(), *self.latency_ms.end());
        Injected { fault, latency_ms: least + dice(2) % (most.saturating_sub(least) + 1) }
    }
}

impl Default for Chaos {
    /// What `--limits chaos` injects unless `--chaos` says otherwise: only what a client can undo by trying again.
    fn default() -> Self {
        Self { throttle: 0.05, error: 0.01, latency_ms: 0..=100, ..Self::OFF }
    }
}

impl FromStr for Chaos {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut chaos = Self::OFF;
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let expected = || {
                format!(
                    "{part:?} is none of seed=NUMBER, throttle=SHARE, error=SHARE, unknown=SHARE, drop=SHARE (from 0 to 1) \
                     and latency_ms=MS or MS..MS (up to {LATEST_MS})"
                )
            };
            let (name, value) = part.split_once('=').ok_or_else(expected)?;
            let share = || value.parse().ok().filter(|share| (0.0..=1.0).contains(share)).ok_or_else(expected);
            match name {
                "seed" => chaos.seed = value.parse().map_err(|_| expected())?,
                "throttle" => chaos.throttle = share()?,
                "error" => chaos.error = share()?,
                "unknown" => chaos.unknown = share()?,
                "drop" => chaos.drop = share()?,
                "latency_ms" => chaos.latency_ms = latency(value).ok_or_else(expected)?,
                _ => return Err(expected()),
            }
        }
        if chaos.shares().iter().sum::<f64>() > 1.0 {
            return Err(format!("{text:?}: throttle, error, unknown and drop are more than 1 together"));
        }
        Ok(chaos)
    }
}

fn latency(text: &str) -> Option<RangeInclusive<u64>> {
    let (least, most) = text.split_once("..").unwrap_or((text, text));
    let (least, most) = (least.parse().ok()?, most.parse().ok()?);
    (least <= most && most <= LATEST_MS).then_some(least..=most)
}

impl fmt::Display for Chaos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seed={}", self.seed)?;
        for (name, share) in ["throttle", "error", "unknown", "drop"].into_iter().zip(self.shares()) {
            if share > 0.0 {
                write!(f, ",{name}={share}")?;
            }
        }
        match (self.latency_ms.start(), self.latency_ms.end()) {
            (0, 0) => Ok(()),
            (least, most) => write!(f, ",latency_ms={least}..{most}"),
        }
    }
}

/// What happens to one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Injected {
    pub(crate) fault: Option<Injection>,
    pub(crate) latency_ms: u64,
}

impl Injected {
    /// What the answer's header `x-rheos-chaos` says, so that a test can tell what was injected from what was real.
    pub(crate) fn mark(self) -> Option<&'static str> {
        match self.fault {
            Some(Injection::Throttle) => Some("throttle"),
            Some(Injection::Entries(_)) => Some("entries"),
            Some(Injection::Failure | Injection::Unavailable) => Some("error"),
            Some(Injection::Unknown) => Some("unknown"),
            Some(Injection::Drop { .. }) => Some("drop"),
            None => (self.latency_ms > 0).then_some("latency"),
        }
    }

    /// Whether the operation is done, whatever is answered.
    pub(crate) fn lets_through(self) -> bool {
        match self.fault {
            Some(Injection::Throttle | Injection::Failure | Injection::Unavailable) => false,
            Some(Injection::Drop { is_done }) => is_done,
            Some(Injection::Entries(_) | Injection::Unknown) | None => true,
        }
    }

    /// Which entries of a PutRecords are refused.
    pub(crate) fn entries(self) -> Option<EntryFaults> {
        match self.fault {
            Some(Injection::Entries(entries)) => Some(entries),
            Some(
                Injection::Throttle
                | Injection::Failure
                | Injection::Unavailable
                | Injection::Unknown
                | Injection::Drop { .. },
            )
            | None => None,
        }
    }
}

/// A fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Injection {
    /// Refused as if it came too fast.
    Throttle,
    /// Some entries of a PutRecords refused.
    Entries(EntryFaults),
    /// InternalFailure; nothing was done.
    Failure,
    /// ServiceUnavailable; nothing was done.
    Unavailable,
    /// InternalFailure; it was done.
    Unknown,
    /// No answer.
    Drop { is_done: bool },
}

/// Which entries of a PutRecords are refused: half of them, the first never, so that something is always stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntryFaults(u64);

/// How an entry is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntryRefusal {
    Throttle,
    Failure,
}

impl EntryFaults {
    /// How the entry of this index is refused, if it is.
    pub(crate) fn of(self, index: usize) -> Option<EntryRefusal> {
        match mix(self.0.wrapping_add(index as u64)) % 8 {
            _ if index == 0 => None,
            0..=2 => Some(EntryRefusal::Throttle),
            3 => Some(EntryRefusal::Failure),
            _ => None,
        }
    }
}

/// Counts requests, and says what happens to each.
#[derive(Debug)]
pub(crate) struct Injector {
    chaos: Chaos,
    requests: AtomicU64,
}

impl Injector {
    pub(crate) fn new(chaos: Chaos) -> Self {
        Self { chaos, requests: AtomicU64::new(0) }
    }

    /// What happens to the next request.
    pub(crate) fn next(&self, operation: Operation) -> Injected {
        self.chaos.decide(self.requests.fetch_add(1, Ordering::Relaxed), operation)
    }
}

/// Bits from bits (the finaliser of SplitMix64): as good as dice, and the same every time.
fn mix(bits: u64) -> u64 {
    let bits = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Bits as a number from 0 up to 1.
fn share(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(chaos: &Chaos, operation: Operation) -> Vec<Injected> {
        (0..10_000).map(|request| chaos.decide(request, operation)).collect()
    }

    #[test]
    fn the_same_seed_decides_the_same_and_another_something_else() {
        let chaos = Chaos::default();
        let decided = all(&chaos, Operation::PutRecords);
        assert_eq!(decided, all(&chaos.clone(), Operation::PutRecords));
        assert_ne!(decided, all(&Chaos { seed: 2, ..chaos }, Operation::PutRecords));
    }

    #[test]
    fn shares_are_as_asked_and_latency_is_within_its_bounds() {
        let chaos: Chaos = "seed=7,throttle=0.2,error=0.1,unknown=0.05,drop=0.02,latency_ms=20..200".parse().unwrap();
        let decided = all(&chaos, Operation::PutRecords);
        let count = |mark| decided.iter().filter(|injected| injected.mark() == Some(mark)).count();
        for (mark, expected) in
            [("throttle", 1000), ("entries", 1000), ("error", 1000), ("unknown", 500), ("drop", 200), ("latency", 6300)]
        {
            let off = count(mark).abs_diff(expected);
            assert!(off < expected / 5, "{mark}: {} of {expected}", count(mark));
        }
        assert!(decided.iter().all(|injected| (20..=200).contains(&injected.latency_ms)));
        assert!((20..=200).all(|ms| decided.iter().any(|injected| injected.latency_ms == ms)));
        let done = decided.iter().filter(|injected| injected.mark() == Some("drop") && injected.lets_through());
        assert!((60..140).contains(&done.count()));
        assert!(all(&chaos, Operation::PutRecord).iter().all(|injected| injected.entries().is_none()));
    }

    #[test]
    fn some_entries_are_refused_and_the_first_is_not() {
        let refused = (0..1000).filter(|index| EntryFaults(5).of(*index).is_some()).count();
        assert!((400..600).contains(&refused), "{refused}");
        assert!((0..1000).all(|key| EntryFaults(key).of(0).is_none()));
    }

    #[test]
    fn it_is_written_as_it_is_read() {
        for text in ["seed=1", "seed=9,throttle=0.05", "seed=1,drop=1", "seed=1,error=0.01,latency_ms=20..200"] {
            assert_eq!(text.parse::<Chaos>().unwrap().to_string(), text);
        }
        assert_eq!("latency_ms=5".parse::<Chaos>().unwrap().latency_ms, 5..=5);
        for wrong in [
            "throttle",
            "throttle=2",
            "throttle=-0.1",
            "throttle=NaN",
            "thrott=1",
            "latency_ms=9..2",
            "latency_ms=99999999",
        ] {
            assert!(wrong.parse::<Chaos>().unwrap_err().contains("seed=NUMBER"), "{wrong}");
        }
        assert!("throttle=0.6,drop=0.5".parse::<Chaos>().unwrap_err().contains("more than 1 together"));
    }
}

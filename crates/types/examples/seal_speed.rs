//! What sealing costs a record: a PutRecords of 500 records copied into one buffer as it is, sealed, and opened again.
//!
//! ```text
//! cargo run --release -p rheos-types --example seal_speed
//! ```
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement")]

use rheos_types::seal::{Binding, RootKey, SEALED_OVERHEAD_BYTES};
use rheos_types::{AccountId, Namespace, Region, ShardId, StreamArn, StreamName, SystemRandom};
use std::hint::black_box;
use std::time::{Duration, Instant};

const RECORDS: u32 = 500;
const KEY: &str = "0123456789abcdef";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let namespace = Namespace { account: AccountId::new("123456789012")?, region: Region::new("eu-west-1")? };
    let stream = StreamArn { namespace, name: StreamName::new("orders")? };
    let (data_key, _wrapped) = RootKey::new(&[7; 32]).make_data_key(b"", &SystemRandom);
    for bytes in [100, 1024, 10 << 10] {
        let data = vec![7; bytes];
        let sealed_bytes = bytes + SEALED_OVERHEAD_BYTES;
        let capacity = sealed_bytes * RECORDS as usize;
        let copy = measure(|| {
            let mut buffer = Vec::with_capacity(capacity);
            (0..RECORDS).for_each(|_| buffer.extend_from_slice(black_box(&data)));
            drop(black_box(buffer));
        });
        let seal = || {
            let mut buffer = Vec::with_capacity(capacity);
            let mut binding = Binding::new(&stream, ShardId(0));
            let mut sealing = data_key.sealing(0, RECORDS, &SystemRandom);
            (0..RECORDS).for_each(|_| sealing.seal(binding.of(Some(KEY)), black_box(&data), &mut buffer));
            buffer
        };
        let sealed = seal();
        let sealing = measure(|| drop(black_box(seal())));
        let opening = measure(|| {
            let mut buffer = Vec::with_capacity(capacity);
            let mut binding = Binding::new(&stream, ShardId(0));
            let mut opening = data_key.opening();
            for record in sealed.chunks(sealed_bytes) {
                assert!(opening.open(binding.of(Some(KEY)), record, &mut buffer).is_ok());
            }
            drop(black_box(buffer));
        });
        let per_record = |time: Duration| time.as_nanos() / u128::from(RECORDS);
        let gib_per_s = |time: Duration| (bytes * RECORDS as usize) as f64 / time.as_secs_f64() / f64::from(1 << 30);
        println!(
            "{bytes} bytes: copied {} ns a record, sealed {} ns ({:.1} GiB/s), opened {} ns ({:.1} GiB/s)",
            per_record(copy),
            per_record(sealing),
            gib_per_s(sealing),
            per_record(opening),
            gib_per_s(opening),
        );
    }
    Ok(())
}

/// The median of many runs.
fn measure(mut run: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..31)
        .map(|_| {
            let start = Instant::now();
            run();
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

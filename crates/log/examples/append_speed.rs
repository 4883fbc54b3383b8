//! What the log alone does on this machine: appends of 500 records of 1 KiB over 4 shards, each acknowledged after its
//! `fdatasync`, and then single ones.
//!
//! ```text
//! cargo run --release -p rheos-log --example append_speed -- DIRECTORY [SECONDS]
//! ```
#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement")]

use rheos_log::files::SystemFiles;
use rheos_log::medium::disk::DiskOptions;
use rheos_log::{Change, Log, Options, RecordFlags, RunBuilder, SystemThreads, Transaction, open_disk};
use rheos_types::{ShardKey, SystemClock, SystemRandom};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = PathBuf::from(arguments.next().ok_or("name a directory")?);
    let seconds = arguments.next().map_or(Ok(5), |text| text.parse())?;
    let opened = open_disk(
        Arc::new(SystemFiles),
        &directory,
        Arc::new(SystemClock::new()),
        &SystemRandom,
        Options::default(),
        DiskOptions { log_file_bytes: None },
    )?;
    let log = opened.start(&SystemThreads, 1, |fatal| panic!("{fatal}"))?;
    let shards: Vec<_> = log.new_shard_keys(4).collect();
    let changes = shards.iter().map(|shard| Change::OpenShard { shard: *shard, class: 24 }).collect();
    log.commit(vec![Transaction { changes, ..Transaction::default() }]).await?;
    for (name, writers, records) in [("500 a call, 4 writers", 4, 500), ("1 a call, 16 writers", 16, 1)] {
        measure(&log, &shards, name, writers, records, Duration::from_secs(seconds)).await?;
    }
    log.close();
    log.closed().await;
    Ok(())
}

async fn measure(
    log: &Log,
    shards: &[ShardKey],
    name: &str,
    writers: usize,
    records: usize,
    duration: Duration,
) -> Result<(), Box<dyn std::error::Error>> {
    let (written, overloaded) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let start = Instant::now();
    let mut tasks = Vec::new();
    for writer in 0..writers {
        let (log, shards, written, overloaded) = (log.clone(), shards.to_vec(), written.clone(), overloaded.clone());
        tasks.push(tokio::spawn(async move {
            let data = vec![7; 1024];
            while start.elapsed() < duration {
                let mut runs: Vec<_> =
                    shards.iter().map(|shard| RunBuilder::with_capacity(*shard, 600_000 / 4)).collect();
                for record in 0..records {
                    runs[(writer + record) % shards.len()].push(Some("0123456789abcdef"), &data, RecordFlags::NONE);
                }
                let runs = runs.into_iter().filter(|run| run.count() > 0).map(RunBuilder::finish).collect();
                match log.append(runs).await {
                    Ok(_) => drop(written.fetch_add(records as u64, Ordering::Relaxed)),
                    Err(_) => drop(overloaded.fetch_add(1, Ordering::Relaxed)),
                }
            }
        }));
    }
    for task in tasks {
        task.await?;
    }
    let rate = written.load(Ordering::Relaxed) as f64 / start.elapsed().as_secs_f64();
    println!("{name}: {rate:.0} records/s, {} calls turned away", overloaded.load(Ordering::Relaxed));
    Ok(())
}

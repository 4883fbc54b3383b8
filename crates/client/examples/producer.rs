//! Writes lines of standard input to a stream, and says what became of each that failed.
//!
//! ```text
//! rheos serve --dev --stream orders:4 &
//! export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any
//! seq 100000 | cargo run --release -p rheos-client --example producer -- orders
//! ```

use std::error::Error;

use aws_config::BehaviorVersion;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use rheos_client::producer::{KinesisTransport, Outcome, Producer, Record, Settings};
use rheos_types::{SystemClock, SystemRandom};
use tokio::io::{AsyncBufReadExt as _, BufReader};

#[tokio::main]
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "an example talks")]
async fn main() -> Result<(), Box<dyn Error>> {
    let stream = std::env::args().nth(1).ok_or("which stream?")?;
    let config = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let transport = KinesisTransport::new(aws_sdk_kinesis::Client::new(&config));

    // The producer is a handle to put with. The driver makes the calls: it is a task of ours.
    let settings = Settings { strict_order: true, ..Settings::default() };
    let (producer, driver) = Producer::new(transport, settings, SystemClock::new(), SystemRandom)?;
    #[expect(clippy::disallowed_methods, reason = "a program spawns its tasks")]
    let driver = tokio::spawn(driver.run());

    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    let mut outcomes = FuturesUnordered::new();
    let (mut written, mut lost) = (0, 0);
    let mut count = |outcome: Outcome| match outcome {
        Ok(_) => written += 1,
        Err(unwritten) => {
            lost += 1;
            eprintln!("not written: {unwritten}");
        }
    };
    while let Some(line) = lines.next_line().await? {
        let key = line.split_whitespace().next().unwrap_or("none").to_owned();
        // Waits while too much is outstanding: the input is read no faster than the service takes it.
        outcomes.push(producer.put(Record::new(&*stream, key, line)).await?);
        // Outcomes that are there already.
        while let Some(Some(outcome)) = futures_util::FutureExt::now_or_never(outcomes.next()) {
            count(outcome);
        }
    }
    // Whatever is still outstanding gets its outcome now.
    producer.close().await;
    while let Some(outcome) = outcomes.next().await {
        count(outcome);
    }
    driver.await?;

    let metrics = producer.metrics();
    println!("{written} written, {lost} not");
    for (name, figures) in &metrics.streams {
        println!(
            "{name}: {:.1} user records in a record of Kinesis, {:.1} of those in a call, {:.0} ms a call",
            figures.user_records_per_kinesis_record.mean(),
            figures.kinesis_records_per_put_records_request.mean(),
            figures.request_time_ms.mean(),
        );
    }
    Ok(())
}

//! Prints the records of a stream as a worker of an application. As many may run as one likes: they share the shards.
//!
//! ```text
//! rheos serve --dev --stream orders:4 --stream orders-dead:1 &
//! export AWS_ENDPOINT_URL=http://127.0.0.1:4566 AWS_REGION=us-east-1 AWS_ACCESS_KEY_ID=any AWS_SECRET_ACCESS_KEY=any
//! cargo run --release -p rheos-client --example consumer -- orders billing orders-dead
//! ```

use std::error::Error;
use std::sync::Arc;

use aws_config::BehaviorVersion;
use rheos_client::consumer::{
    Batch, Checkpointer, CloudWatchMetrics, Config, DeadLetterStream, Environment, Initialization, Poison,
    ProcessorError, RecordProcessor, SdkKinesis, Services, Worker,
};
use rheos_client::lease::DynamoDbLeaseStore;

/// Processes one shard.
struct Printer {
    shard: String,
}

#[expect(clippy::print_stdout, reason = "an example talks")]
impl RecordProcessor for Printer {
    async fn initialize(&mut self, start: &Initialization) -> Result<(), ProcessorError> {
        println!("{} from {}", self.shard, start.checkpoint);
        Ok(())
    }

    async fn process_records(&mut self, batch: &Batch<'_>, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        for record in batch.records {
            let text = std::str::from_utf8(&record.data)?;
            println!("{} {} {text}", self.shard, record.partition_key);
        }
        // What is checkpointed is never given again. An error instead: these records are given again, and one that can never be processed ends
        // where the configuration says.
        Ok(checkpointer.checkpoint().await?)
    }

    async fn lease_lost(&mut self) {
        println!("{} is another worker's", self.shard);
    }

    async fn shard_ended(&mut self, _: &Checkpointer) -> Result<(), ProcessorError> {
        println!("{} has ended", self.shard);
        Ok(())
    }

    async fn shutdown_requested(&mut self, checkpointer: &Checkpointer) -> Result<(), ProcessorError> {
        Ok(checkpointer.checkpoint().await?)
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let stream = arguments.next().ok_or("which stream?")?;
    let application = arguments.next().ok_or("which application?")?;
    let dead_letters = arguments.next().ok_or("which stream for records that cannot be processed?")?;
    let aws = aws_config::load_defaults(BehaviorVersion::latest()).await;
    let kinesis = aws_sdk_kinesis::Client::new(&aws);
    let leases = DynamoDbLeaseStore::new(aws_sdk_dynamodb::Client::new(&aws), &application);
    let worker_name = format!("worker-{}", std::process::id());
    let config = Config { poison: Poison::DeadLetter, ..Config::new(&application, &stream, worker_name) };
    let services = Services {
        leases: Arc::new(leases),
        kinesis: Arc::new(SdkKinesis::new(kinesis.clone(), stream, &application)),
        dead_letters: Some(Arc::new(DeadLetterStream::new(kinesis, dead_letters))),
        metrics: Some(Arc::new(CloudWatchMetrics::new(aws_sdk_cloudwatch::Client::new(&aws), application))),
    };
    let worker =
        Worker::new(config, Environment::system(), services, |shard: &str| Printer { shard: shard.to_owned() });
    let handle = worker.handle();
    let running = worker.run();
    tokio::pin!(running);
    tokio::select! {
        outcome = &mut running => outcome?,
        _ = tokio::signal::ctrl_c() => {
            // Processors finish, and leases are given back: others go on at once.
            handle.stop();
            running.await?;
        }
    }
    Ok(())
}

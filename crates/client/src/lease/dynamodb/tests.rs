//! The store over the DynamoDB API of a whole server: the suite of every store, in each layout, and the way from one layout to the other.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Builder, Credentials, Region};
use aws_sdk_dynamodb::types::{AttributeValue, BillingMode, KeyType, ProvisionedThroughput};
use rheos_testkit::{Home, TestServer};

use super::{DynamoDbLeaseStore, definition, element};
use crate::lease::conformance::every_promise;
use crate::lease::coordinator::{LeaderLock, WorkerMetrics};
use crate::lease::{Checkpoint, Lease, LeaseStore, LeaseTable};

async fn server() -> (TestServer, Client) {
    let server = TestServer::start_with(Home::default(), |config| config.dev = true).await;
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(server.url())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("any", "any", None, None, "test"));
    (server, Client::from_conf(config.build()))
}

async fn make_table(client: &Client, name: &str, key: &str) {
    let call = client.create_table().table_name(name).billing_mode(BillingMode::PayPerRequest);
    let call = call.attribute_definitions(definition(key).unwrap()).key_schema(element(key, KeyType::Hash).unwrap());
    call.send().await.unwrap();
}

async fn tables(client: &Client) -> Vec<String> {
    client.list_tables().send().await.unwrap().table_names.unwrap_or_default()
}

async fn keys(client: &Client, table: &str, key: &str) -> Vec<String> {
    let items = client.scan().table_name(table).send().await.unwrap().items.unwrap_or_default();
    let mut keys: Vec<String> = items.iter().map(|item| item[key].as_s().unwrap().clone()).collect();
    keys.sort();
    keys
}

fn metrics(worker: &str, updated_s: u64) -> WorkerMetrics {
    WorkerMetrics { worker: worker.to_owned(), updated_s, samples: BTreeMap::new(), limits: BTreeMap::new() }
}

fn lock(owner: &str) -> LeaderLock {
    LeaderLock { owner: owner.to_owned(), version: format!("of {owner}"), duration_ms: 1_000 }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_table_does_what_a_store_does() {
    let (_server, client) = server().await;
    every_promise(Arc::new(DynamoDbLeaseStore::new(client.clone(), "application"))).await;
    assert_eq!(tables(&client).await, ["application"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_of_kcl_1_gets_its_index() {
    let (_server, client) = server().await;
    let units = ProvisionedThroughput::builder().read_capacity_units(10).write_capacity_units(7).build().unwrap();
    let call = client.create_table().table_name("application").provisioned_throughput(units);
    let call = call.attribute_definitions(definition("leaseKey").unwrap());
    call.key_schema(element("leaseKey", KeyType::Hash).unwrap()).send().await.unwrap();
    every_promise(Arc::new(DynamoDbLeaseStore::new(client.clone(), "application"))).await;
    let table = client.describe_table().table_name("application").send().await.unwrap().table.unwrap();
    let units = table.global_secondary_indexes()[0].provisioned_throughput.clone().unwrap();
    assert_eq!((units.read_capacity_units, units.write_capacity_units), (Some(10), Some(7)), "as the table");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_tables_do_what_a_store_does() {
    let (_server, client) = server().await;
    // One of KCL 3.0 to 3.4 was here.
    make_table(&client, "application-CoordinatorState", "key").await;
    every_promise(Arc::new(DynamoDbLeaseStore::new(client.clone(), "application"))).await;
    let expected = ["application", "application-CoordinatorState", "application-WorkerMetricStats"];
    assert_eq!(tables(&client).await, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_move_from_three_tables_into_one_while_workers_work() {
    let (_server, client) = server().await;
    let legacy = "application-CoordinatorState";
    make_table(&client, legacy, "key").await;
    let says = |status: &str| {
        let call = client.put_item().table_name(legacy).item("key", AttributeValue::S("TableMigration3.5".to_owned()));
        call.item("tm", AttributeValue::S(format!("TABLE_MIGRATION_STATUS_{status}"))).send()
    };
    let store = |store: DynamoDbLeaseStore| {
        let store: Arc<dyn LeaseStore> = Arc::new(store);
        LeaseTable::new(store)
    };
    let old = store(DynamoDbLeaseStore::new(client.clone(), "application"));
    old.prepare().await.unwrap();
    old.put_worker_metrics(&metrics("old", 1)).await.unwrap();
    assert!(old.take_leadership(&lock("old"), None).await.unwrap());
    assert_eq!(keys(&client, "application-WorkerMetricStats", "wid").await, ["old"]);
    assert!(old.create(&Lease::new("shard", Checkpoint::Latest)).await.unwrap());

    // The first half is done: a worker that is told to takes the second step, and both see each other.
    says("DEPLOYED").await.unwrap();
    let new = store(DynamoDbLeaseStore::new(client.clone(), "application").migrating());
    new.prepare().await.unwrap();
    new.put_worker_metrics(&metrics("new", 2)).await.unwrap();
    assert_eq!(keys(&client, "application", "leaseKey").await, ["new", "shard"]);
    let all = [metrics("new", 2), metrics("old", 1)];
    assert_eq!(
        (old.list_worker_metrics().await.unwrap(), new.list_worker_metrics().await.unwrap()),
        (all.to_vec(), all.to_vec())
    );
    assert_eq!(new.leader().await.unwrap(), Some(lock("old")), "there is one lock");
    assert!(!new.take_leadership(&lock("new"), None).await.unwrap());
    // A worker that went over has an old row in the one and a new one in the other.
    new.put_worker_metrics(&metrics("old", 7)).await.unwrap();
    assert_eq!(old.list_worker_metrics().await.unwrap()[1], metrics("old", 7));
    assert!(new.delete_worker_metrics(&metrics("old", 7)).await.unwrap());
    assert!(new.delete_worker_metrics(&metrics("old", 1)).await.unwrap());
    assert_eq!(new.list_worker_metrics().await.unwrap(), [metrics("new", 2)]);

    // And the second: the lock is in the one table now, for those that have begun before, too.
    says("COMPLETE").await.unwrap();
    assert_eq!(old.leader().await.unwrap(), None);
    assert!(new.take_leadership(&lock("new"), None).await.is_ok_and(|taken| !taken), "it has not looked yet");
    assert_eq!(new.leader().await.unwrap(), None);
    assert!(new.take_leadership(&lock("new"), None).await.unwrap());
    assert_eq!(old.leader().await.unwrap(), Some(lock("new")));
    old.put_worker_metrics(&metrics("old", 9)).await.unwrap();
    assert_eq!(keys(&client, "application", "leaseKey").await, ["Leader", "new", "old", "shard"]);
    let leases = old.list().await.unwrap();
    assert_eq!(
        leases.iter().map(|lease| lease.key.as_str()).collect::<Vec<_>>(),
        ["shard"],
        "the others are no leases"
    );
}

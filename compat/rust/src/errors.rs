//! Mistakes, and what the client makes of the answers.

use aws_credential_types::Credentials;
use aws_sdk_kinesis::error::ProvideErrorMetadata;
use aws_sdk_kinesis::operation::RequestId;
use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::ShardIteratorType;

use crate::records::FIRST;
use crate::{Run, refused};

const MISSING: &str = "ResourceNotFoundException";

pub(crate) async fn all(run: &Run) {
    run.test("errors", "by class, with a request id", |run| async move {
        let error = run.client.describe_stream().stream_name("nowhere").send().await.unwrap_err();
        assert_eq!(error.raw_response().unwrap().status().as_u16(), 400);
        let error = error.into_service_error();
        assert!(error.is_resource_not_found_exception(), "{error:?}");
        assert_eq!(error.message(), Some("Stream nowhere under account 000000000000 not found."));
        assert_eq!(error.request_id().map(str::len), Some(36));
    })
    .await;
    run.test("errors", "of every operation on a stream that is not there", |run| async move {
        let client = &run.client;
        refused(client.delete_stream().stream_name("nowhere").send().await, MISSING, "nowhere");
        refused(client.list_shards().stream_name("nowhere").send().await, MISSING, "nowhere");
        let put = client.put_record().stream_name("nowhere").partition_key("k").data(Blob::new("x"));
        refused(put.send().await, MISSING, "nowhere");
        let iterator = run.iterator("nowhere", FIRST, ShardIteratorType::Latest);
        refused(iterator.send().await, MISSING, "does not exist");
    })
    .await;
    run.test("errors", "already there", |run| async move {
        run.create("twice", 1, &[]).await;
        let error = run.client.create_stream().stream_name("twice").shard_count(1).send().await.unwrap_err();
        assert!(error.into_service_error().is_resource_in_use_exception());
    })
    .await;
    run.test("errors", "bad arguments", |run| async move {
        let (client, name) = (&run.client, run.create("mistaken", 1, &[]).await);
        let error = client.get_records().shard_iterator("AAAA").send().await.unwrap_err().into_service_error();
        assert!(
            error.is_invalid_argument_exception() && error.message() == Some("Invalid ShardIterator."),
            "{error:?}"
        );
        let put = client.put_record().stream_name(&name).partition_key("").data(Blob::new("x"));
        refused(put.send().await, "ValidationException", "Member must have length greater than or equal to 1");
        let create = client.create_stream().stream_name("a b").shard_count(1);
        refused(create.send().await, "ValidationException", "regular expression pattern: [a-zA-Z0-9_.-]+");
        let split = client.split_shard().stream_name(&name).shard_to_split(FIRST).new_starting_hash_key("0");
        refused(split.send().await, "InvalidArgumentException", "NewStartingHashKey 0 used in SplitShard()");
        let increase = client.increase_stream_retention_period().stream_name(&name).retention_period_hours(1);
        refused(increase.send().await, "InvalidArgumentException", "Minimum allowed retention period is 24 hours.");
    })
    .await;
    run.test("errors", "a dry run changes nothing", |run| async move {
        let name = run.create("dry", 1, &[]).await;
        let put = run.client.put_record().stream_name(&name).partition_key("k").data(Blob::new("x")).dry_run(true);
        assert!(put.send().await.unwrap_err().into_service_error().is_dry_run_operation_exception());
        assert!(run.read_all(&name, FIRST).await.is_empty());
    })
    .await;
    run.test("errors", "wrong keys", |run| async move {
        let known = std::env::var("AWS_ACCESS_KEY_ID").unwrap();
        for (key, code) in
            [(known.as_str(), "InvalidSignatureException"), ("AKIAUNKNOWN", "UnrecognizedClientException")]
        {
            let wrong = Credentials::new(key, "wrong", None, None, "wrong on purpose");
            let client = run.connect(|config| config.credentials_provider(wrong));
            refused(client.list_streams().send().await, code, "");
        }
    })
    .await;
}

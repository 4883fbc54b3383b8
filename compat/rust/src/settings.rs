//! What is set on streams and accounts.

use aws_sdk_kinesis::primitives::Blob;
use aws_sdk_kinesis::types::{
    EncryptionType, MetricsName, MinimumThroughputBillingCommitmentInput,
    MinimumThroughputBillingCommitmentInputStatus, MinimumThroughputBillingCommitmentOutputStatus,
    RecordDistributionStrategy, StreamMode, StreamModeDetails,
};

use crate::records::FIRST;
use crate::{Run, recent, refused};

pub(crate) async fn all(run: &Run) {
    run.test("settings", "tags of a stream", |run| async move {
        let (client, name) = (&run.client, run.create("tagged", 1, &[("made", "with it")]).await);
        client.add_tags_to_stream().stream_name(&name).tags("ταμείο", "α").tags("empty", "").send().await.unwrap();
        let first = client.list_tags_for_stream().stream_name(&name).limit(2).send().await.unwrap();
        assert_eq!((first.tags().len(), first.has_more_tags()), (2, true));
        let rest = client.list_tags_for_stream().stream_name(&name).exclusive_start_tag_key(first.tags()[1].key());
        let rest = rest.send().await.unwrap();
        assert_eq!((rest.tags().len(), rest.tags()[0].key()), (1, "ταμείο"));
        client.remove_tags_from_stream().stream_name(&name).tag_keys("made").tag_keys("empty").send().await.unwrap();
        let left = client.list_tags_for_stream().stream_name(&name).send().await.unwrap();
        assert_eq!((left.tags().len(), left.tags()[0].value()), (1, Some("α")));
    })
    .await;
    run.test("settings", "retention", |run| async move {
        let (client, name) = (&run.client, run.create("retained", 1, &[]).await);
        for _ in 0..2 {
            client
                .increase_stream_retention_period()
                .stream_name(&name)
                .retention_period_hours(48)
                .send()
                .await
                .unwrap();
            run.active(&name).await;
            assert_eq!(run.summary(&name).await.retention_period_hours(), 48);
        }
        client.decrease_stream_retention_period().stream_name(&name).retention_period_hours(24).send().await.unwrap();
        run.active(&name).await;
        assert_eq!(run.summary(&name).await.retention_period_hours(), 24);
    })
    .await;
    run.test("settings", "tags of a resource", |run| async move {
        let (client, name) = (&run.client, run.create("labelled", 1, &[]).await);
        let arn = run.summary(&name).await.stream_arn;
        client.tag_resource().resource_arn(&arn).tags("a", "1").tags("b", "2").send().await.unwrap();
        client.untag_resource().resource_arn(&arn).tag_keys("a").send().await.unwrap();
        let left = client.list_tags_for_resource().resource_arn(&arn).send().await.unwrap();
        let left: Vec<_> = left.tags().iter().map(|tag| (tag.key(), tag.value())).collect();
        assert_eq!(left, [("b", Some("2"))]);
    })
    .await;
    run.test("settings", "a resource policy", |run| async move {
        let (client, name) = (&run.client, run.create("shared", 1, &[]).await);
        let arn = run.summary(&name).await.stream_arn;
        let policy = serde_json::json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "kinesis:GetRecords", "Resource": arn,
        }]});
        client.put_resource_policy().resource_arn(&arn).policy(policy.to_string()).send().await.unwrap();
        let stored = client.get_resource_policy().resource_arn(&arn);
        assert_eq!(stored.clone().send().await.unwrap().policy(), policy.to_string());
        client.delete_resource_policy().resource_arn(&arn).send().await.unwrap();
        assert_eq!(stored.send().await.unwrap().policy(), "{}");
    })
    .await;
    run.test("settings", "metrics of shards", |run| async move {
        let (client, name) = (&run.client, run.create("watched", 1, &[]).await);
        let on = client.enable_enhanced_monitoring().stream_name(&name).shard_level_metrics(MetricsName::IncomingBytes);
        let on = on.shard_level_metrics(MetricsName::OutgoingBytes).send().await.unwrap();
        assert_eq!((on.current_shard_level_metrics().len(), on.desired_shard_level_metrics().len()), (0, 2));
        run.active(&name).await;
        assert_eq!(run.summary(&name).await.enhanced_monitoring()[0].shard_level_metrics().len(), 2);
        let off = client.disable_enhanced_monitoring().stream_name(&name).shard_level_metrics(MetricsName::All);
        assert!(off.send().await.unwrap().desired_shard_level_metrics().is_empty());
        run.active(&name).await;
    })
    .await;
    run.test("settings", "encryption", |run| async move {
        let (client, name, key) = (&run.client, run.create("sealed", 1, &[]).await, "alias/aws/kinesis");
        let start =
            client.start_stream_encryption().stream_name(&name).encryption_type(EncryptionType::Kms).key_id(key);
        start.send().await.unwrap();
        run.active(&name).await;
        let summary = run.summary(&name).await;
        assert_eq!((summary.encryption_type(), summary.key_id()), (Some(&EncryptionType::Kms), Some(key)));
        run.put(&name, "k", b"secret").await;
        let stop = client.stop_stream_encryption().stream_name(&name).encryption_type(EncryptionType::Kms).key_id(key);
        stop.send().await.unwrap();
        run.active(&name).await;
        run.put(&name, "k", b"open").await;
        let found = run.read_all(&name, FIRST).await;
        assert_eq!((found[0].data().as_ref(), found[1].data().as_ref()), (&b"secret"[..], &b"open"[..]));
        assert_eq!(found[0].encryption_type(), Some(&EncryptionType::Kms));
    })
    .await;
    run.test("settings", "larger records", |run| async move {
        let (client, name) = (&run.client, run.create("roomy", 1, &[]).await);
        let put = client.put_record().stream_name(&name).partition_key("k").data(Blob::new(vec![0; 3 << 20]));
        let too_large = put.clone().send().await;
        refused(too_large, "ValidationException", "Member must have length less than or equal to");
        let arn = run.summary(&name).await.stream_arn;
        client.update_max_record_size().stream_arn(arn).max_record_size_in_kib(4096).send().await.unwrap();
        run.active(&name).await;
        assert_eq!(run.summary(&name).await.max_record_size_in_kib(), Some(4096));
        put.send().await.unwrap();
    })
    .await;
    run.test("settings", "on demand, and an account's commitment", |run| async move {
        let (client, name) = (&run.client, run.create("elastic", 1, &[]).await);
        let arn = run.summary(&name).await.stream_arn;
        for mode in [StreamMode::OnDemand, StreamMode::Provisioned] {
            let details = StreamModeDetails::builder().stream_mode(mode.clone()).build().unwrap();
            client.update_stream_mode().stream_arn(&arn).stream_mode_details(details.clone()).send().await.unwrap();
            run.active(&name).await;
            assert_eq!(run.summary(&name).await.stream_mode_details(), Some(&details));
            if mode == StreamMode::Provisioned {
                break;
            }
            let spread = client.update_stream_record_distribution_strategy().stream_arn(&arn);
            spread.record_distribution_strategy(RecordDistributionStrategy::Auto).send().await.unwrap();
            run.active(&name).await;
            client.put_record().stream_name(&name).data(Blob::new("without a key")).send().await.unwrap();
            let enabled = MinimumThroughputBillingCommitmentInputStatus::Enabled;
            let enabled = MinimumThroughputBillingCommitmentInput::builder().status(enabled).build().unwrap();
            client.update_account_settings().minimum_throughput_billing_commitment(enabled).send().await.unwrap();
            let account = client.describe_account_settings().send().await.unwrap();
            let account = account.minimum_throughput_billing_commitment().unwrap();
            assert_eq!(*account.status(), MinimumThroughputBillingCommitmentOutputStatus::Enabled);
            recent(account.started_at());
            let warm = client.update_stream_warm_throughput().stream_arn(&arn).warm_throughput_mibps(3).send().await;
            assert_eq!(warm.unwrap().warm_throughput().unwrap().target_mibps(), Some(3));
            run.active(&name).await;
            assert!(run.open(&name).await.len() >= 3);
        }
    })
    .await;
}

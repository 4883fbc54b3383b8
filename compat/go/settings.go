package main

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func (run *Run) settings() {
	client := run.client
	run.test("settings", "tags of a stream", func() {
		name := run.create("tagged", 1, map[string]string{"made": "with it"})
		must(client.AddTagsToStream(ctx, &kinesis.AddTagsToStreamInput{StreamName: &name, Tags: map[string]string{"ταμείο": "α", "empty": ""}}))
		first := must(client.ListTagsForStream(ctx, &kinesis.ListTagsForStreamInput{StreamName: &name, Limit: aws.Int32(2)}))
		equal(len(first.Tags), 2)
		equal(*first.HasMoreTags, true)
		rest := must(client.ListTagsForStream(ctx, &kinesis.ListTagsForStreamInput{StreamName: &name, ExclusiveStartTagKey: first.Tags[1].Key}))
		equal(len(rest.Tags), 1)
		equal(*rest.Tags[0].Key, "ταμείο")
		must(client.RemoveTagsFromStream(ctx, &kinesis.RemoveTagsFromStreamInput{StreamName: &name, TagKeys: []string{"made", "empty"}}))
		left := must(client.ListTagsForStream(ctx, &kinesis.ListTagsForStreamInput{StreamName: &name})).Tags
		equal(len(left), 1)
		equal(*left[0].Value, "α")
	})
	run.test("settings", "retention", func() {
		name := run.create("retained", 1, nil)
		for _, hours := range []int32{48, 48} {
			must(client.IncreaseStreamRetentionPeriod(ctx, &kinesis.IncreaseStreamRetentionPeriodInput{StreamName: &name, RetentionPeriodHours: &hours}))
			run.active(name)
			equal(*run.summary(name).RetentionPeriodHours, 48)
		}
		must(client.DecreaseStreamRetentionPeriod(ctx, &kinesis.DecreaseStreamRetentionPeriodInput{StreamName: &name, RetentionPeriodHours: aws.Int32(24)}))
		run.active(name)
		equal(*run.summary(name).RetentionPeriodHours, 24)
	})
	run.test("settings", "tags of a resource", func() {
		arn := run.arn(run.create("labelled", 1, nil))
		must(client.TagResource(ctx, &kinesis.TagResourceInput{ResourceARN: arn, Tags: map[string]string{"a": "1", "b": "2"}}))
		must(client.UntagResource(ctx, &kinesis.UntagResourceInput{ResourceARN: arn, TagKeys: []string{"a"}}))
		left := must(client.ListTagsForResource(ctx, &kinesis.ListTagsForResourceInput{ResourceARN: arn})).Tags
		equal(len(left), 1)
		equal(*left[0].Key+*left[0].Value, "b2")
	})
	run.test("settings", "a resource policy", func() {
		arn := run.arn(run.create("shared", 1, nil))
		policy := fmt.Sprintf(policyOfReaders, *arn)
		must(client.PutResourcePolicy(ctx, &kinesis.PutResourcePolicyInput{ResourceARN: arn, Policy: &policy}))
		equal(*must(client.GetResourcePolicy(ctx, &kinesis.GetResourcePolicyInput{ResourceARN: arn})).Policy, policy)
		must(client.DeleteResourcePolicy(ctx, &kinesis.DeleteResourcePolicyInput{ResourceARN: arn}))
		equal(*must(client.GetResourcePolicy(ctx, &kinesis.GetResourcePolicyInput{ResourceARN: arn})).Policy, "{}")
	})
	run.test("settings", "metrics of shards", func() {
		name := run.create("watched", 1, nil)
		on := must(client.EnableEnhancedMonitoring(ctx, &kinesis.EnableEnhancedMonitoringInput{StreamName: &name, ShardLevelMetrics: []types.MetricsName{types.MetricsNameIncomingBytes, types.MetricsNameOutgoingBytes}}))
		equal(len(on.CurrentShardLevelMetrics), 0)
		equal(len(on.DesiredShardLevelMetrics), 2)
		run.active(name)
		equal(len(run.summary(name).EnhancedMonitoring[0].ShardLevelMetrics), 2)
		off := must(client.DisableEnhancedMonitoring(ctx, &kinesis.DisableEnhancedMonitoringInput{StreamName: &name, ShardLevelMetrics: []types.MetricsName{types.MetricsNameAll}}))
		equal(len(off.DesiredShardLevelMetrics), 0)
		run.active(name)
	})
	run.test("settings", "encryption", func() {
		name := run.create("sealed", 1, nil)
		key := aws.String("alias/aws/kinesis")
		must(client.StartStreamEncryption(ctx, &kinesis.StartStreamEncryptionInput{StreamName: &name, EncryptionType: types.EncryptionTypeKms, KeyId: key}))
		run.active(name)
		summary := run.summary(name)
		equal(summary.EncryptionType, types.EncryptionTypeKms)
		equal(*summary.KeyId, *key)
		equal(run.put(name, "k", []byte("secret")).EncryptionType, types.EncryptionTypeKms)
		must(client.StopStreamEncryption(ctx, &kinesis.StopStreamEncryptionInput{StreamName: &name, EncryptionType: types.EncryptionTypeKms, KeyId: key}))
		run.active(name)
		run.put(name, "k", []byte("open"))
		found, _ := run.read(run.iterator(name, first, types.ShardIteratorTypeTrimHorizon), nil)
		equal(string(found[0].Data)+string(found[1].Data), "secretopen")
		equal(found[0].EncryptionType, types.EncryptionTypeKms)
	})
	run.test("settings", "larger records", func() {
		name := run.create("roomy", 1, nil)
		large := make([]byte, 3<<20)
		_, err := client.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: &name, PartitionKey: aws.String("k"), Data: large})
		refused(err, "ValidationException", "Member must have length less than or equal to")
		must(client.UpdateMaxRecordSize(ctx, &kinesis.UpdateMaxRecordSizeInput{StreamARN: run.arn(name), MaxRecordSizeInKiB: aws.Int32(4096)}))
		run.active(name)
		equal(*run.summary(name).MaxRecordSizeInKiB, 4096)
		run.put(name, "k", large)
	})
	run.test("settings", "on demand, and an account's commitment", func() {
		name := run.create("elastic", 1, nil)
		arn := run.arn(name)
		mode := func(mode types.StreamMode) {
			must(client.UpdateStreamMode(ctx, &kinesis.UpdateStreamModeInput{StreamARN: arn, StreamModeDetails: &types.StreamModeDetails{StreamMode: mode}}))
			run.active(name)
			equal(run.summary(name).StreamModeDetails.StreamMode, mode)
		}
		mode(types.StreamModeOnDemand)
		must(client.UpdateStreamRecordDistributionStrategy(ctx, &kinesis.UpdateStreamRecordDistributionStrategyInput{StreamARN: arn, RecordDistributionStrategy: types.RecordDistributionStrategyAuto}))
		run.active(name)
		must(client.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: &name, Data: []byte("without a key")}))
		commitment := &types.MinimumThroughputBillingCommitmentInput{Status: types.MinimumThroughputBillingCommitmentInputStatusEnabled}
		must(client.UpdateAccountSettings(ctx, &kinesis.UpdateAccountSettingsInput{MinimumThroughputBillingCommitment: commitment}))
		settings := must(client.DescribeAccountSettings(ctx, &kinesis.DescribeAccountSettingsInput{})).MinimumThroughputBillingCommitment
		equal(settings.Status, types.MinimumThroughputBillingCommitmentOutputStatusEnabled)
		recent(settings.StartedAt)
		warm := must(client.UpdateStreamWarmThroughput(ctx, &kinesis.UpdateStreamWarmThroughputInput{StreamARN: arn, WarmThroughputMiBps: aws.Int32(3)}))
		equal(*warm.WarmThroughput.TargetMiBps, 3)
		run.active(name)
		ensure(len(run.open(name)) >= 3, "%d shards", len(run.open(name)))
		mode(types.StreamModeProvisioned)
	})
}

// What another account may do with a stream.
const policyOfReaders = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"kinesis:GetRecords","Resource":"%s"}]}`

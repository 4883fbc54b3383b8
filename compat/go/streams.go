package main

import (
	"errors"
	"math/big"
	"sort"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

func (run *Run) all() {
	run.streams()
	run.settings()
	run.records()
	run.reshards()
	run.consumers()
	run.errors()
	run.metrics()
}

// create makes a stream and waits until it can be used.
func (run *Run) create(name string, shards int32, tags map[string]string) string {
	input := &kinesis.CreateStreamInput{StreamName: &name, ShardCount: &shards, Tags: tags}
	must(run.client.CreateStream(ctx, input))
	run.active(name)
	return name
}

func (run *Run) active(name string) {
	eventually(name+" is ACTIVE", func() bool { return run.summary(name).StreamStatus == types.StreamStatusActive })
}

func (run *Run) summary(name string) *types.StreamDescriptionSummary {
	answer := must(run.client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &name}))
	return answer.StreamDescriptionSummary
}

func (run *Run) arn(name string) *string {
	return run.summary(name).StreamARN
}

func (run *Run) shards(name string) []types.Shard {
	return must(run.client.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &name})).Shards
}

func (run *Run) open(name string) []types.Shard {
	latest := &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}
	shards := must(run.client.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &name, ShardFilter: latest})).Shards
	sort.Slice(shards, func(a, b int) bool { return start(shards[a]).Cmp(start(shards[b])) < 0 })
	return shards
}

func start(shard types.Shard) *big.Int {
	return number(*shard.HashKeyRange.StartingHashKey)
}

func number(text string) *big.Int {
	value, ok := new(big.Int).SetString(text, 10)
	ensure(ok, "%q is not a number", text)
	return value
}

func (run *Run) streams() {
	client := run.client
	run.test("streams", "create, wait, describe", func() {
		name := "described"
		must(client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &name, ShardCount: aws.Int32(3)}))
		waiter := kinesis.NewStreamExistsWaiter(client, func(o *kinesis.StreamExistsWaiterOptions) {
			o.MinDelay, o.MaxDelay = 50*time.Millisecond, time.Second
		})
		check(waiter.Wait(ctx, &kinesis.DescribeStreamInput{StreamName: &name}, time.Minute))
		found := must(client.DescribeStream(ctx, &kinesis.DescribeStreamInput{StreamName: &name})).StreamDescription
		equal(*found.StreamName, name)
		equal(*found.StreamARN, "arn:aws:kinesis:us-east-1:000000000000:stream/"+name)
		equal(found.StreamStatus, types.StreamStatusActive)
		equal(len(found.Shards), 3)
		equal(*found.HasMoreShards, false)
		equal(*found.RetentionPeriodHours, 24)
		equal(found.EncryptionType, types.EncryptionTypeNone)
		recent(found.StreamCreationTimestamp)
		summary := run.summary(name)
		equal(*summary.OpenShardCount, 3)
		equal(summary.StreamModeDetails.StreamMode, types.StreamModeProvisioned)
		ensure(summary.StreamCreationTimestamp.Equal(*found.StreamCreationTimestamp), "two times of creation")
	})
	run.test("streams", "describe in pages", func() {
		run.create("pages", 5, nil)
		seen := 0
		pages := kinesis.NewDescribeStreamPaginator(client, &kinesis.DescribeStreamInput{StreamName: aws.String("pages"), Limit: aws.Int32(2)})
		for pages.HasMorePages() {
			seen += len(must(pages.NextPage(ctx)).StreamDescription.Shards)
		}
		equal(seen, 5)
	})
	run.test("streams", "list in pages", func() {
		for _, name := range []string{"listed-a", "listed-b", "listed-c"} {
			run.create(name, 1, nil)
		}
		names, summaries := []string{}, 0
		pages := kinesis.NewListStreamsPaginator(client, &kinesis.ListStreamsInput{Limit: aws.Int32(2)})
		for pages.HasMorePages() {
			page := must(pages.NextPage(ctx))
			ensure(len(page.StreamNames) <= 2, "a page of %d", len(page.StreamNames))
			names = append(names, page.StreamNames...)
			summaries += len(page.StreamSummaries)
		}
		ensure(sort.StringsAreSorted(names) && len(names) >= 5, "%v", names)
		equal(summaries, len(names))
	})
	run.test("streams", "delete, wait", func() {
		name := run.create("deleted", 2, nil)
		must(client.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: &name, EnforceConsumerDeletion: aws.Bool(true)}))
		eventually("the stream is gone", func() bool {
			_, err := client.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: &name})
			var gone *types.ResourceNotFoundException
			return errors.As(err, &gone)
		})
	})
	run.test("streams", "account limits", func() {
		limits := must(client.DescribeLimits(ctx, &kinesis.DescribeLimitsInput{}))
		ensure(*limits.OpenShardCount >= 5 && *limits.ShardLimit >= *limits.OpenShardCount, "%v", limits)
		ensure(*limits.OnDemandStreamCountLimit >= 1, "%v", limits)
	})
	run.test("shards", "list in pages", func() {
		name, seen := run.create("shards", 5, nil), map[string]bool{}
		page := must(client.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &name, MaxResults: aws.Int32(2)}))
		for pages := 1; ; pages++ {
			for _, shard := range page.Shards {
				seen[*shard.ShardId] = true
			}
			if page.NextToken == nil {
				equal(pages, 3)
				break
			}
			page = must(client.ListShards(ctx, &kinesis.ListShardsInput{NextToken: page.NextToken, MaxResults: aws.Int32(2)}))
		}
		equal(len(seen), 5)
	})
	run.test("shards", "filters", func() {
		name := run.create("filtered", 1, nil)
		created := run.summary(name).StreamCreationTimestamp
		run.split(name, run.open(name)[0])
		count := func(filter types.ShardFilter) int {
			return len(must(client.ListShards(ctx, &kinesis.ListShardsInput{StreamName: &name, ShardFilter: &filter})).Shards)
		}
		equal(count(types.ShardFilter{Type: types.ShardFilterTypeAtLatest}), 2)
		equal(count(types.ShardFilter{Type: types.ShardFilterTypeAtTrimHorizon}), 1)
		equal(count(types.ShardFilter{Type: types.ShardFilterTypeFromTrimHorizon}), 3)
		equal(count(types.ShardFilter{Type: types.ShardFilterTypeAfterShardId, ShardId: aws.String("shardId-000000000000")}), 2)
		equal(count(types.ShardFilter{Type: types.ShardFilterTypeFromTimestamp, Timestamp: created}), 3)
		later := time.Now().Add(-time.Millisecond)
		equal(count(types.ShardFilter{Type: types.ShardFilterTypeAtTimestamp, Timestamp: &later}), 2)
	})
}

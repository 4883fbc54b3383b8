package main

import (
	"bytes"
	"crypto/md5"
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

const first = "shardId-000000000000"

func (run *Run) iterator(name, shard string, kind types.ShardIteratorType) *string {
	return run.iteratorOf(&kinesis.GetShardIteratorInput{StreamName: &name, ShardId: &shard, ShardIteratorType: kind})
}

func (run *Run) iteratorOf(input *kinesis.GetShardIteratorInput) *string {
	return must(run.client.GetShardIterator(ctx, input)).ShardIterator
}

// read gives every record from the iterator on, to the shard's end or to its tip, and the children if it has ended.
func (run *Run) read(iterator *string, limit *int32) ([]types.Record, []types.ChildShard) {
	var records []types.Record
	for {
		answer := must(run.client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: iterator, Limit: limit}))
		records = append(records, answer.Records...)
		ensure((answer.NextShardIterator == nil) == (len(answer.ChildShards) > 0), "an end without children, or the reverse")
		if answer.NextShardIterator == nil {
			return records, answer.ChildShards
		}
		if len(answer.Records) == 0 && *answer.MillisBehindLatest == 0 {
			return records, nil
		}
		iterator = answer.NextShardIterator
	}
}

func (run *Run) put(name, key string, data []byte) *kinesis.PutRecordOutput {
	return must(run.client.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: &name, PartitionKey: &key, Data: data}))
}

func (run *Run) putAll(name string, entries []types.PutRecordsRequestEntry) []types.PutRecordsResultEntry {
	answer := must(run.client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &name, Records: entries}))
	equal(*answer.FailedRecordCount, 0)
	equal(len(answer.Records), len(entries))
	return answer.Records
}

func (run *Run) records() {
	client := run.client
	run.test("records", "bytes come back as they were", func() {
		name, every := run.create("bytes", 1, nil), make([]byte, 256)
		for i := range every {
			every[i] = byte(i)
		}
		place := run.put(name, "käse-鍵-🔑", every)
		equal(*place.ShardId, first)
		run.put(name, "empty", []byte{})
		found, _ := run.read(run.iterator(name, first, types.ShardIteratorTypeTrimHorizon), nil)
		equal(len(found), 2)
		ensure(bytes.Equal(found[0].Data, every), "%v", found[0].Data)
		equal(*found[0].PartitionKey, "käse-鍵-🔑")
		equal(*found[0].SequenceNumber, *place.SequenceNumber)
		recent(found[0].ApproximateArrivalTimestamp)
		equal(len(found[1].Data), 0)
	})
	run.test("records", "batches, pages, explicit hash keys", func() {
		name := run.create("batches", 2, nil)
		for batch := range 2 {
			entries := make([]types.PutRecordsRequestEntry, 500)
			for i := range entries {
				entries[i] = types.PutRecordsRequestEntry{PartitionKey: aws.String("same"), ExplicitHashKey: aws.String("0"), Data: fmt.Append(nil, batch*500+i)}
			}
			for _, place := range run.putAll(name, entries) {
				equal(*place.ShardId, first)
			}
		}
		found, _ := run.read(run.iterator(name, first, types.ShardIteratorTypeTrimHorizon), aws.Int32(300))
		equal(len(found), 1000)
		for i, record := range found {
			equal(string(record.Data), strconv.Itoa(i))
		}
	})
	run.test("records", "every kind of iterator", func() {
		name, numbers := run.create("iterators", 1, nil), make([]*string, 5)
		latest := run.iterator(name, first, types.ShardIteratorTypeLatest)
		for i := range numbers {
			numbers[i] = run.put(name, "k", fmt.Append(nil, i)).SequenceNumber
			time.Sleep(5 * time.Millisecond)
		}
		count := func(input kinesis.GetShardIteratorInput) int {
			input.StreamName, input.ShardId = &name, aws.String(first)
			found, _ := run.read(run.iteratorOf(&input), nil)
			return len(found)
		}
		all, _ := run.read(run.iterator(name, first, types.ShardIteratorTypeTrimHorizon), nil)
		equal(len(all), 5)
		equal(count(kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtSequenceNumber, StartingSequenceNumber: numbers[2]}), 3)
		equal(count(kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAfterSequenceNumber, StartingSequenceNumber: numbers[2]}), 2)
		equal(count(kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeAtTimestamp, Timestamp: all[3].ApproximateArrivalTimestamp}), 2)
		equal(count(kinesis.GetShardIteratorInput{ShardIteratorType: types.ShardIteratorTypeLatest}), 0)
		since, _ := run.read(latest, nil)
		equal(len(since), 5)
	})
	run.test("records", "ten mebibytes in a request and in an answer", func() {
		name := run.create("large", 1, nil)
		entries := make([]types.PutRecordsRequestEntry, 10)
		for i := range entries {
			entries[i] = types.PutRecordsRequestEntry{PartitionKey: aws.String(strconv.Itoa(i)), Data: bytes.Repeat([]byte{byte(i), 0xff}, 1<<19-1)}
		}
		run.putAll(name, entries)
		found, _ := run.read(run.iterator(name, first, types.ShardIteratorTypeTrimHorizon), nil)
		equal(len(found), 10)
		for i, record := range found {
			ensure(bytes.Equal(record.Data, entries[i].Data), "record %d is another", i)
		}
	})
	run.test("records", "a hundred requests at once", func() {
		name := run.create("parallel", 4, nil)
		failures := make(chan error, 100)
		for i := range 100 {
			go func() {
				data := fmt.Append(nil, i)
				_, err := client.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: &name, PartitionKey: aws.String(string(data)), Data: data})
				failures <- err
			}()
		}
		for range 100 {
			check(<-failures)
		}
		seen := map[string]int{}
		for _, shard := range run.shards(name) {
			found, _ := run.read(run.iterator(name, *shard.ShardId, types.ShardIteratorTypeTrimHorizon), nil)
			for _, record := range found {
				seen[string(record.Data)]++
			}
		}
		equal(len(seen), 100)
	})
	run.test("records", "throttled in part", func() {
		name := run.create("throttled", 1, map[string]string{"rheos:limits": "aws"})
		impatient := run.connect(func(o *kinesis.Options) { o.RetryMaxAttempts = 1 })
		entries := make([]types.PutRecordsRequestEntry, 400)
		for i := range entries {
			entries[i] = types.PutRecordsRequestEntry{PartitionKey: aws.String("k"), Data: bytes.Repeat([]byte("x"), 10000)}
		}
		answer := must(impatient.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &name, Records: entries}))
		failed := 0
		for _, entry := range answer.Records {
			if entry.ErrorCode != nil {
				equal(*entry.ErrorCode, "ProvisionedThroughputExceededException")
				failed++
			}
		}
		ensure(failed > 0 && failed < 400 && *answer.FailedRecordCount == int32(failed), "%d failed", failed)
		for range 20 {
			_, err := impatient.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: &name, PartitionKey: aws.String("k"), Data: make([]byte, 900000)})
			var throttled *types.ProvisionedThroughputExceededException
			if errors.As(err, &throttled) {
				return
			}
			check(err)
		}
		panic("never throttled")
	})
}

func (run *Run) split(name string, shard types.Shard) {
	middle := new(big.Int).Add(start(shard), number(*shard.HashKeyRange.EndingHashKey))
	middle.Rsh(middle, 1).Add(middle, big.NewInt(1))
	must(run.client.SplitShard(ctx, &kinesis.SplitShardInput{StreamName: &name, ShardToSplit: shard.ShardId, NewStartingHashKey: aws.String(middle.String())}))
	run.active(name)
}

func (run *Run) merge(name string, low, high types.Shard) {
	must(run.client.MergeShards(ctx, &kinesis.MergeShardsInput{StreamName: &name, ShardToMerge: low.ShardId, AdjacentShardToMerge: high.ShardId}))
	run.active(name)
}

// writer writes numbered records for eight keys until it is stopped, and says how many.
func (run *Run) writer(name string) (stop func() int) {
	var done sync.WaitGroup
	quit, written, failure := make(chan struct{}), 0, error(nil)
	done.Add(1)
	go func() {
		defer done.Done()
		for {
			select {
			case <-quit:
				return
			default:
			}
			entries := make([]types.PutRecordsRequestEntry, 16)
			for i := range entries {
				at := written + i
				entries[i] = types.PutRecordsRequestEntry{PartitionKey: aws.String("key " + strconv.Itoa(at%8)), Data: fmt.Append(nil, at)}
			}
			answer, err := run.client.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &name, Records: entries})
			if err == nil && *answer.FailedRecordCount != 0 {
				err = fmt.Errorf("%d records failed", *answer.FailedRecordCount)
			}
			if err != nil {
				failure = err
				return
			}
			written += len(entries)
		}
	}()
	return func() int {
		close(quit)
		done.Wait()
		check(failure)
		return written
	}
}

// journal is what a reader has seen: every key's records have to come in order, each once.
type journal struct {
	sync.Mutex
	last  map[string]int
	total int
}

func (seen *journal) add(record types.Record) {
	at := must(strconv.Atoi(string(record.Data)))
	key := *record.PartitionKey
	seen.Lock()
	defer seen.Unlock()
	if seen.last == nil {
		seen.last = map[string]int{}
	}
	before, known := seen.last[key]
	ensure(!known && at < 8 || known && at == before+8, "%s: %d comes after %d", key, at, before)
	seen.last[key] = at
	seen.total++
}

func (run *Run) reshards() {
	run.test("reshards", "split, merge, children", func() {
		name := run.create("resharded", 1, nil)
		run.put(name, "k", []byte("before"))
		run.split(name, run.open(name)[0])
		children := run.open(name)
		equal(len(children), 2)
		equal(*children[1].ParentShardId, first)
		found, named := run.read(run.iterator(name, first, types.ShardIteratorTypeTrimHorizon), nil)
		equal(len(found), 1)
		equal(len(named), 2)
		equal(named[0].ParentShards[0], first)
		run.merge(name, children[0], children[1])
		merged := run.open(name)
		equal(len(merged), 1)
		equal(*merged[0].ParentShardId, *children[0].ShardId)
		equal(*merged[0].AdjacentParentShardId, *children[1].ShardId)
		place := run.put(name, "k", []byte("after"))
		equal(*place.ShardId, *merged[0].ShardId)
		hash := md5.Sum([]byte("k"))
		ensure(new(big.Int).SetBytes(hash[:]).Cmp(start(merged[0])) >= 0, "routed elsewhere")
	})
	run.test("reshards", "to a number of shards", func() {
		name := run.create("scaled", 2, nil)
		for _, count := range []int32{4, 2, 2} {
			answer := must(run.client.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{StreamName: &name, TargetShardCount: &count, ScalingType: types.ScalingTypeUniformScaling}))
			equal(*answer.TargetShardCount, count)
			equal(*answer.StreamName, name)
			run.active(name)
			equal(len(run.open(name)), int(count))
		}
		shards := run.open(name)
		equal(start(shards[1]).Cmp(new(big.Int).Lsh(big.NewInt(1), 127)), 0)
		_, err := run.client.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{StreamName: &name, TargetShardCount: aws.Int32(0), ScalingType: types.ScalingTypeUniformScaling})
		refused(err, "ValidationException", "Member must have value greater than or equal to 1")
	})
	run.test("reshards", "a reader follows while writers go on", func() {
		name := run.create("followed", 1, nil)
		stop := run.writer(name)
		run.split(name, run.open(name)[0])
		run.split(name, run.open(name)[1])
		open := run.open(name)
		run.merge(name, open[0], open[1])
		written := stop()
		seen, queue, walked := journal{}, []string{first}, map[string]bool{}
		for len(queue) > 0 {
			shard := queue[0]
			queue, walked[shard] = queue[1:], true
			found, children := run.read(run.iterator(name, shard, types.ShardIteratorTypeTrimHorizon), aws.Int32(100))
			for _, record := range found {
				seen.add(record)
			}
			for _, child := range children {
				ready := !walked[*child.ShardId]
				for _, parent := range child.ParentShards {
					ready = ready && walked[parent]
				}
				if ready {
					queue = append(queue, *child.ShardId)
				}
			}
		}
		equal(seen.total, written)
		ensure(written > 0, "nothing was written")
	})
}

package main

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// subscribe hands over events until it is told that this was enough, or the subscription ends.
func (run *Run) subscribe(consumer *string, shard string, from types.StartingPosition, enough func(*types.SubscribeToShardEvent) bool) {
	var answer *kinesis.SubscribeToShardOutput
	// The subscription before may not have ended yet where the server is.
	eventually("a subscription", func() (done bool) {
		var err error
		answer, err = run.client.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{ConsumerARN: consumer, ShardId: &shard, StartingPosition: &from})
		var inUse *types.ResourceInUseException
		if !errors.As(err, &inUse) {
			check(err)
		}
		return err == nil
	})
	stream := answer.GetStream()
	defer stream.Close()
	for event := range stream.Events() {
		member, known := event.(*types.SubscribeToShardEventStreamMemberSubscribeToShardEvent)
		ensure(known, "%T", event)
		ended := len(member.Value.ChildShards) > 0
		ensure((member.Value.ContinuationSequenceNumber == nil) == ended, "a continuation at the end, or none before")
		if enough(&member.Value) {
			return
		}
	}
	// A connection may break at any time; then a consumer begins anew where it was.
	var broken *net.OpError
	if err := stream.Err(); !errors.As(err, &broken) {
		check(err)
	}
}

func after(number *string) types.StartingPosition {
	return types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: number}
}

var oldest = types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}

func (run *Run) subscriptions() {
	run.test("subscriptions", "begin anywhere, go on where they were", func() {
		name := run.create("pushed", 1, nil)
		consumer := run.register(run.arn(name), "reader")
		put := func(from, to int) {
			for i := from; i < to; i++ {
				run.put(name, "k", fmt.Append(nil, i))
				time.Sleep(2 * time.Millisecond)
			}
		}
		read := func(from types.StartingPosition, count int) (found []types.Record, next *string) {
			run.subscribe(consumer, first, from, func(event *types.SubscribeToShardEvent) bool {
				found, next = append(found, event.Records...), event.ContinuationSequenceNumber
				return len(found) >= count
			})
			equal(len(found), count)
			return
		}
		put(0, 5)
		early, next := read(oldest, 5)
		recent(early[0].ApproximateArrivalTimestamp)
		put(5, 10)
		late, _ := read(after(next), 5)
		equal(string(late[0].Data), "5")
		found, _ := read(types.StartingPosition{Type: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: late[2].SequenceNumber}, 3)
		equal(string(found[0].Data), "7")
		found, _ = read(types.StartingPosition{Type: types.ShardIteratorTypeAtTimestamp, Timestamp: late[1].ApproximateArrivalTimestamp}, 4)
		equal(string(found[0].Data), "6")
		pushed := false
		run.subscribe(consumer, first, types.StartingPosition{Type: types.ShardIteratorTypeLatest}, func(event *types.SubscribeToShardEvent) bool {
			if !pushed {
				pushed = true
				put(10, 11)
			}
			return len(event.Records) > 0 && string(event.Records[0].Data) == "10"
		})
	})
	run.test("subscriptions", "refused with the class of the error", func() {
		stream := run.arn(run.create("refused", 1, nil))
		consumer := run.register(stream, "reader")
		_, err := run.client.SubscribeToShard(ctx, &kinesis.SubscribeToShardInput{ConsumerARN: consumer, ShardId: aws.String("shardId-000000000007"), StartingPosition: &oldest})
		var missing *types.ResourceNotFoundException
		ensure(errors.As(err, &missing), "%v", err)
	})
	run.test("subscriptions", "across splits and merges, with nothing lost or doubled", func() {
		name := run.create("fanned", 1, nil)
		consumer := run.register(run.arn(name), "reader")
		walk := &walk{run: run, consumer: consumer, ended: map[string]bool{}, begun: map[string]bool{}}
		walk.follow(first)
		stop := run.writer(name)
		run.split(name, run.open(name)[0])
		run.split(name, run.open(name)[1])
		open := run.open(name)
		run.merge(name, open[0], open[1])
		written := stop()
		eventually(strconv.Itoa(written)+" records are read", func() bool {
			walk.Lock()
			defer walk.Unlock()
			ensure(walk.failure == nil, "%v", walk.failure)
			return walk.seen.total >= written
		})
		equal(walk.seen.total, written)
		equal(len(walk.ended), 4)
	})
}

// walk is a consumer of a whole stream: it reads each shard once its parents have been read to their end.
type walk struct {
	sync.Mutex
	run          *Run
	consumer     *string
	begun, ended map[string]bool
	seen         journal
	failure      any
}

func (walk *walk) follow(shard string) {
	walk.begun[shard] = true
	go func() {
		defer func() {
			if problem := recover(); problem != nil {
				walk.Lock()
				defer walk.Unlock()
				walk.failure = problem
			}
		}()
		from := oldest
		var children []types.ChildShard
		for children == nil {
			events := 0
			walk.run.subscribe(walk.consumer, shard, from, func(event *types.SubscribeToShardEvent) bool {
				for _, record := range event.Records {
					walk.seen.add(record)
				}
				children, events = event.ChildShards, events+1
				if children != nil {
					return false
				}
				from = after(event.ContinuationSequenceNumber)
				// Begin anew now and then, as after five minutes.
				return events == 5
			})
		}
		walk.Lock()
		defer walk.Unlock()
		walk.ended[shard] = true
		for _, child := range children {
			ready := !walk.begun[*child.ShardId]
			for _, parent := range child.ParentShards {
				ready = ready && walk.ended[parent]
			}
			if ready {
				walk.follow(*child.ShardId)
			}
		}
	}()
}

package main

import (
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// register makes a consumer and waits until it can be used.
func (run *Run) register(stream *string, name string) *string {
	made := must(run.client.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: stream, ConsumerName: &name})).Consumer
	equal(*made.ConsumerName, name)
	recent(made.ConsumerCreationTimestamp)
	eventually(name+" is ACTIVE", func() bool {
		return run.consumer(made.ConsumerARN).ConsumerStatus == types.ConsumerStatusActive
	})
	return made.ConsumerARN
}

func (run *Run) consumer(arn *string) *types.ConsumerDescription {
	return must(run.client.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{ConsumerARN: arn})).ConsumerDescription
}

func (run *Run) consumers() {
	client := run.client
	run.test("consumers", "register, describe, list in pages, deregister", func() {
		stream := run.arn(run.create("consumed", 1, nil))
		arns := map[string]*string{}
		for _, name := range []string{"a", "b", "c"} {
			arns[name] = run.register(stream, name)
		}
		equal(*run.consumer(arns["a"]).StreamARN, *stream)
		byName := must(client.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{StreamARN: stream, ConsumerName: aws.String("b")}))
		equal(*byName.ConsumerDescription.ConsumerARN, *arns["b"])
		var names []string
		pages := kinesis.NewListStreamConsumersPaginator(client, &kinesis.ListStreamConsumersInput{StreamARN: stream, MaxResults: aws.Int32(2)})
		for pages.HasMorePages() {
			for _, consumer := range must(pages.NextPage(ctx)).Consumers {
				names = append(names, *consumer.ConsumerName)
			}
		}
		equal(fmt.Sprint(names), "[a b c]")
		_, err := client.RegisterStreamConsumer(ctx, &kinesis.RegisterStreamConsumerInput{StreamARN: stream, ConsumerName: aws.String("a")})
		var inUse *types.ResourceInUseException
		ensure(errors.As(err, &inUse), "%v", err)
		_, err = client.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamARN: stream})
		ensure(errors.As(err, &inUse), "%v", err)
		must(client.DeregisterStreamConsumer(ctx, &kinesis.DeregisterStreamConsumerInput{ConsumerARN: arns["a"]}))
		must(client.DeregisterStreamConsumer(ctx, &kinesis.DeregisterStreamConsumerInput{StreamARN: stream, ConsumerName: aws.String("b")}))
		eventually("one consumer is left", func() bool { return *run.summary("consumed").ConsumerCount == 1 })
		_, err = client.DescribeStreamConsumer(ctx, &kinesis.DescribeStreamConsumerInput{ConsumerARN: arns["a"]})
		var gone *types.ResourceNotFoundException
		ensure(errors.As(err, &gone), "%v", err)
	})
	run.subscriptions()
}

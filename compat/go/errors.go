package main

import (
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
)

func (run *Run) errors() {
	client := run.client
	nowhere := aws.String("nowhere")
	run.test("errors", "by class, with a request id", func() {
		_, err := client.DescribeStream(ctx, &kinesis.DescribeStreamInput{StreamName: nowhere})
		var missing *types.ResourceNotFoundException
		ensure(errors.As(err, &missing), "%v", err)
		equal(missing.ErrorMessage(), "Stream nowhere under account 000000000000 not found.")
		var response *awshttp.ResponseError
		ensure(errors.As(err, &response), "%v", err)
		equal(response.HTTPStatusCode(), 400)
		equal(len(response.ServiceRequestID()), 36)
	})
	run.test("errors", "of every operation on a stream that is not there", func() {
		_, err := client.DeleteStream(ctx, &kinesis.DeleteStreamInput{StreamName: nowhere})
		refused(err, "ResourceNotFoundException", "nowhere")
		_, err = client.ListShards(ctx, &kinesis.ListShardsInput{StreamName: nowhere})
		refused(err, "ResourceNotFoundException", "nowhere")
		_, err = client.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: nowhere, PartitionKey: aws.String("k"), Data: []byte("x")})
		refused(err, "ResourceNotFoundException", "nowhere")
		_, err = client.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{StreamName: nowhere, ShardId: aws.String(first), ShardIteratorType: types.ShardIteratorTypeLatest})
		refused(err, "ResourceNotFoundException", "does not exist")
	})
	run.test("errors", "already there", func() {
		run.create("twice", 1, nil)
		_, err := client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("twice"), ShardCount: aws.Int32(1)})
		var inUse *types.ResourceInUseException
		ensure(errors.As(err, &inUse), "%v", err)
	})
	run.test("errors", "bad arguments", func() {
		name := run.create("mistaken", 1, nil)
		_, err := client.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: aws.String("AAAA")})
		var invalid *types.InvalidArgumentException
		ensure(errors.As(err, &invalid), "%v", err)
		equal(invalid.ErrorMessage(), "Invalid ShardIterator.")
		_, err = client.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: &name, PartitionKey: aws.String(""), Data: []byte("x")})
		refused(err, "ValidationException", "Member must have length greater than or equal to 1")
		_, err = client.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String("a b"), ShardCount: aws.Int32(1)})
		refused(err, "ValidationException", "failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+")
		_, err = client.SplitShard(ctx, &kinesis.SplitShardInput{StreamName: &name, ShardToSplit: aws.String(first), NewStartingHashKey: aws.String("0")})
		refused(err, "InvalidArgumentException", "NewStartingHashKey 0 used in SplitShard()")
		_, err = client.IncreaseStreamRetentionPeriod(ctx, &kinesis.IncreaseStreamRetentionPeriodInput{StreamName: &name, RetentionPeriodHours: aws.Int32(1)})
		refused(err, "InvalidArgumentException", "Minimum allowed retention period is 24 hours.")
	})
	run.test("errors", "a dry run changes nothing", func() {
		name := run.create("dry", 1, nil)
		_, err := client.PutRecord(ctx, &kinesis.PutRecordInput{StreamName: &name, PartitionKey: aws.String("k"), Data: []byte("x"), DryRun: aws.Bool(true)})
		var dry *types.DryRunOperationException
		ensure(errors.As(err, &dry), "%v", err)
		found, _ := run.read(run.iterator(name, first, types.ShardIteratorTypeTrimHorizon), nil)
		equal(len(found), 0)
	})
	run.test("errors", "wrong keys", func() {
		with := func(key string) error {
			wrong := run.connect(func(o *kinesis.Options) { o.Credentials = credentials.NewStaticCredentialsProvider(key, "wrong", "") })
			_, err := wrong.ListStreams(ctx, &kinesis.ListStreamsInput{})
			return err
		}
		known := must(run.config.Credentials.Retrieve(ctx)).AccessKeyID
		refused(with(known), "InvalidSignatureException", "The request signature we calculated does not match")
		refused(with("AKIAUNKNOWNUNKNOWN00"), "UnrecognizedClientException", "security token")
	})
}

package main

import (
	"math"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

// metrics are those of CloudWatch, which this SDK speaks RPC v2 in CBOR to.
func (run *Run) metrics() {
	client := cloudwatch.NewFromConfig(run.config, func(o *cloudwatch.Options) { o.BaseEndpoint = &run.endpoint })
	minute := time.Now().UTC().Truncate(time.Minute).Add(-time.Minute)
	dimensions := []types.Dimension{{Name: aws.String("ShardId"), Value: aws.String("shardId-000000000000")}}
	datum := func(name string) types.MetricDatum {
		return types.MetricDatum{MetricName: &name, Dimensions: dimensions, Timestamp: &minute, Unit: types.StandardUnitMilliseconds}
	}
	put := func(namespace string, data ...types.MetricDatum) error {
		_, err := client.PutMetricData(ctx, &cloudwatch.PutMetricDataInput{Namespace: &namespace, MetricData: data})
		return err
	}
	run.test("metrics", "what is put is listed and read", func() {
		set, value, values := datum("Time"), datum("Time"), datum("Time")
		set.StatisticValues = &types.StatisticSet{SampleCount: aws.Float64(4), Sum: aws.Float64(10), Minimum: aws.Float64(1), Maximum: aws.Float64(4)}
		value.Value = aws.Float64(5.5)
		values.Values, values.Counts = []float64{1, 2}, []float64{3, 1}
		check(put("go", set, value, values))
		listed := must(client.ListMetrics(ctx, &cloudwatch.ListMetricsInput{Namespace: aws.String("go")})).Metrics
		equal(len(listed), 1)
		equal(*listed[0].Dimensions[0].Value, "shardId-000000000000")
		points := must(client.GetMetricStatistics(ctx, &cloudwatch.GetMetricStatisticsInput{
			Namespace: aws.String("go"), MetricName: aws.String("Time"), Dimensions: dimensions, Period: aws.Int32(60),
			StartTime: &minute, EndTime: aws.Time(minute.Add(2 * time.Minute)),
			Statistics: []types.Statistic{types.StatisticSum, types.StatisticSampleCount, types.StatisticMaximum},
		})).Datapoints
		equal(len(points), 1)
		equal(*points[0].Sum, 20.5)
		equal(*points[0].SampleCount, 9)
		equal(*points[0].Maximum, 5.5)
		equal(points[0].Timestamp.UTC(), minute)
		query := types.MetricDataQuery{Id: aws.String("m"), MetricStat: &types.MetricStat{
			Metric: &types.Metric{Namespace: aws.String("go"), MetricName: aws.String("Time"), Dimensions: dimensions},
			Period: aws.Int32(60), Stat: aws.String("Minimum"),
		}}
		data := must(client.GetMetricData(ctx, &cloudwatch.GetMetricDataInput{
			MetricDataQueries: []types.MetricDataQuery{query}, StartTime: &minute, EndTime: aws.Time(minute.Add(time.Minute)),
		})).MetricDataResults
		equal(len(data), 1)
		equal(data[0].Values[0], 1)
		equal(data[0].Timestamps[0].UTC(), minute)
	})
	run.test("metrics", "a large body comes compressed", func() {
		data := make([]types.MetricDatum, 900)
		for at := range data {
			data[at] = datum("metric-" + string(rune('a'+at%26)))
			data[at].Value = aws.Float64(1)
		}
		check(put("go-large", data...))
		pages := cloudwatch.NewListMetricsPaginator(client, &cloudwatch.ListMetricsInput{Namespace: aws.String("go-large")})
		equal(len(must(pages.NextPage(ctx)).Metrics), 26)
	})
	run.test("metrics", "errors have the names of the query protocol", func() {
		value := datum("m")
		value.Value = aws.Float64(1)
		refused(put("AWS/Kinesis", value), "InvalidParameterValue", "AWS/")
		value.Value = aws.Float64(math.NaN())
		refused(put("go", value), "InvalidParameterValue", "Value")
		value.Value = nil
		refused(put("go", value), "MissingParameter", "Value")
	})
	run.test("metrics", "a caller is told who it is", func() {
		identity := sts.NewFromConfig(run.config, func(o *sts.Options) { o.BaseEndpoint = &run.endpoint })
		equal(*must(identity.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})).Arn, "arn:aws:iam::000000000000:root")
	})
}

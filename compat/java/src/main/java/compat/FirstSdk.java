package compat;

import static compat.Report.ensure;
import static compat.Report.equal;
import static compat.Report.eventually;
import static compat.Report.recent;
import static compat.Report.refused;
import static compat.Report.says;

import com.amazonaws.auth.AWSStaticCredentialsProvider;
import com.amazonaws.auth.BasicAWSCredentials;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.retry.PredefinedRetryPolicies;
import com.amazonaws.services.kinesis.AmazonKinesis;
import com.amazonaws.services.kinesis.AmazonKinesisClientBuilder;
import com.amazonaws.services.kinesis.model.AddTagsToStreamRequest;
import com.amazonaws.services.kinesis.model.AmazonKinesisException;
import com.amazonaws.services.kinesis.model.ChildShard;
import com.amazonaws.services.kinesis.model.CreateStreamRequest;
import com.amazonaws.services.kinesis.model.DecreaseStreamRetentionPeriodRequest;
import com.amazonaws.services.kinesis.model.DeleteStreamRequest;
import com.amazonaws.services.kinesis.model.DescribeLimitsRequest;
import com.amazonaws.services.kinesis.model.DescribeStreamRequest;
import com.amazonaws.services.kinesis.model.DescribeStreamSummaryRequest;
import com.amazonaws.services.kinesis.model.GetRecordsRequest;
import com.amazonaws.services.kinesis.model.GetRecordsResult;
import com.amazonaws.services.kinesis.model.GetShardIteratorRequest;
import com.amazonaws.services.kinesis.model.IncreaseStreamRetentionPeriodRequest;
import com.amazonaws.services.kinesis.model.InvalidArgumentException;
import com.amazonaws.services.kinesis.model.ListShardsRequest;
import com.amazonaws.services.kinesis.model.ListShardsResult;
import com.amazonaws.services.kinesis.model.ListStreamsRequest;
import com.amazonaws.services.kinesis.model.ListStreamsResult;
import com.amazonaws.services.kinesis.model.ListTagsForStreamRequest;
import com.amazonaws.services.kinesis.model.MergeShardsRequest;
import com.amazonaws.services.kinesis.model.ProvisionedThroughputExceededException;
import com.amazonaws.services.kinesis.model.PutRecordRequest;
import com.amazonaws.services.kinesis.model.PutRecordResult;
import com.amazonaws.services.kinesis.model.PutRecordsRequest;
import com.amazonaws.services.kinesis.model.PutRecordsRequestEntry;
import com.amazonaws.services.kinesis.model.PutRecordsResult;
import com.amazonaws.services.kinesis.model.Record;
import com.amazonaws.services.kinesis.model.RemoveTagsFromStreamRequest;
import com.amazonaws.services.kinesis.model.ResourceInUseException;
import com.amazonaws.services.kinesis.model.ResourceNotFoundException;
import com.amazonaws.services.kinesis.model.Shard;
import com.amazonaws.services.kinesis.model.ShardFilter;
import com.amazonaws.services.kinesis.model.SplitShardRequest;
import com.amazonaws.services.kinesis.model.StreamDescriptionSummary;
import com.amazonaws.services.kinesis.model.Tag;
import com.amazonaws.util.VersionInfoUtils;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.Date;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.IntStream;

/** The SDK 1.x, which nobody maintains any more and many still run, such as KCL 1. */
final class FirstSdk {
    static final String FIRST = Journey.FIRST;

    final Report report;
    final AmazonKinesis client;
    private final String endpoint;

    FirstSdk(Report report, String endpoint) {
        this.report = report;
        this.endpoint = endpoint;
        client = builder().build();
        report.client = "AWS SDK for Java 1.x";
        report.version = VersionInfoUtils.getVersion();
    }

    private AmazonKinesisClientBuilder builder() {
        return AmazonKinesisClientBuilder.standard().withEndpointConfiguration(new EndpointConfiguration(endpoint, "us-east-1"));
    }

    void all() throws Exception {
        streams();
        records();
        reshards();
        new FirstSdkSettings(this).all();
        errors();
    }

    String create(String name, int shards) throws Exception {
        client.createStream(new CreateStreamRequest().withStreamName(name).withShardCount(shards));
        active(name);
        return name;
    }

    void active(String name) throws Exception {
        eventually(name + " is ACTIVE", () -> summary(name).getStreamStatus().equals("ACTIVE"));
    }

    StreamDescriptionSummary summary(String name) {
        return client.describeStreamSummary(new DescribeStreamSummaryRequest().withStreamName(name)).getStreamDescriptionSummary();
    }

    List<Shard> open(String name) {
        List<Shard> shards = filtered(name, new ShardFilter().withType("AT_LATEST"));
        return shards.stream().sorted(Comparator.comparing(FirstSdk::start)).toList();
    }

    private List<Shard> filtered(String name, ShardFilter filter) {
        return client.listShards(new ListShardsRequest().withStreamName(name).withShardFilter(filter)).getShards();
    }

    private static BigInteger start(Shard shard) {
        return new BigInteger(shard.getHashKeyRange().getStartingHashKey());
    }

    private GetShardIteratorRequest from(String name, String shard, String kind) {
        return new GetShardIteratorRequest().withStreamName(name).withShardId(shard).withShardIteratorType(kind);
    }

    record Read(List<Record> records, List<ChildShard> children) {}

    Read read(GetShardIteratorRequest from) {
        List<Record> records = new ArrayList<>();
        String iterator = client.getShardIterator(from).getShardIterator();
        while (true) {
            GetRecordsResult answer = client.getRecords(new GetRecordsRequest().withShardIterator(iterator).withLimit(300));
            records.addAll(answer.getRecords());
            boolean ended = answer.getNextShardIterator() == null;
            equal(ended, answer.getChildShards() != null && !answer.getChildShards().isEmpty());
            if (ended || answer.getRecords().isEmpty() && answer.getMillisBehindLatest() == 0) {
                return new Read(records, answer.getChildShards());
            }
            iterator = answer.getNextShardIterator();
        }
    }

    List<Record> readAll(String name, String shard) {
        return read(from(name, shard, "TRIM_HORIZON")).records();
    }

    PutRecordResult put(String name, String key, byte[] data) {
        return client.putRecord(new PutRecordRequest().withStreamName(name).withPartitionKey(key).withData(ByteBuffer.wrap(data)));
    }

    private static PutRecordsRequestEntry entry(String key, byte[] data) {
        return new PutRecordsRequestEntry().withPartitionKey(key).withData(ByteBuffer.wrap(data));
    }

    private void streams() {
        report.test("streams", "create, wait, describe", () -> {
            String name = create("described", 3);
            var found = client.describeStream(new DescribeStreamRequest().withStreamName(name)).getStreamDescription();
            equal(found.getStreamARN(), "arn:aws:kinesis:us-east-1:000000000000:stream/" + name);
            equal(found.getShards().size(), 3);
            equal(found.getHasMoreShards(), false);
            equal(found.getRetentionPeriodHours(), 24);
            equal(found.getEncryptionType(), "NONE");
            recent(found.getStreamCreationTimestamp().toInstant());
            equal(summary(name).getOpenShardCount(), 3);
        });
        report.test("streams", "list in pages", () -> {
            for (String name : List.of("listed-a", "listed-b", "listed-c")) {
                create(name, 1);
            }
            List<String> names = new ArrayList<>();
            ListStreamsResult page = client.listStreams(new ListStreamsRequest().withLimit(2));
            names.addAll(page.getStreamNames());
            while (page.getHasMoreStreams()) {
                page = client.listStreams(new ListStreamsRequest().withLimit(2).withExclusiveStartStreamName(names.get(names.size() - 1)));
                names.addAll(page.getStreamNames());
            }
            ensure(names.size() >= 4 && names.equals(names.stream().sorted().distinct().toList()), names);
        });
        report.test("streams", "delete, wait", () -> {
            String name = create("deleted", 2);
            client.deleteStream(new DeleteStreamRequest().withStreamName(name));
            eventually("the stream is gone", () -> {
                try {
                    summary(name);
                    return false;
                } catch (ResourceNotFoundException gone) {
                    return true;
                }
            });
        });
        report.test("streams", "account limits", () -> {
            var limits = client.describeLimits(new DescribeLimitsRequest());
            ensure(limits.getOpenShardCount() >= 3 && limits.getShardLimit() >= limits.getOpenShardCount(), limits);
        });
        report.test("shards", "list in pages", () -> {
            String name = create("shards", 5);
            Set<String> seen = new HashSet<>();
            ListShardsResult page = client.listShards(new ListShardsRequest().withStreamName(name).withMaxResults(2));
            page.getShards().forEach(shard -> seen.add(shard.getShardId()));
            while (page.getNextToken() != null) {
                page = client.listShards(new ListShardsRequest().withNextToken(page.getNextToken()).withMaxResults(2));
                page.getShards().forEach(shard -> seen.add(shard.getShardId()));
            }
            equal(seen.size(), 5);
        });
        report.test("shards", "filters", () -> {
            String name = create("filtered", 1);
            Date created = summary(name).getStreamCreationTimestamp();
            split(name, open(name).get(0));
            equal(filtered(name, new ShardFilter().withType("AT_TRIM_HORIZON")).size(), 1);
            equal(filtered(name, new ShardFilter().withType("AFTER_SHARD_ID").withShardId(FIRST)).size(), 2);
            equal(filtered(name, new ShardFilter().withType("FROM_TIMESTAMP").withTimestamp(created)).size(), 3);
            equal(filtered(name, new ShardFilter().withType("AT_TIMESTAMP").withTimestamp(new Date(System.currentTimeMillis() - 1))).size(), 2);
        });
        report.test("settings", "tags of a stream", () -> {
            String name = create("tagged", 1);
            client.addTagsToStream(new AddTagsToStreamRequest().withStreamName(name).withTags(Map.of("made", "first", "ταμείο", "α", "empty", "")));
            var first = client.listTagsForStream(new ListTagsForStreamRequest().withStreamName(name).withLimit(2));
            equal(first.getHasMoreTags(), true);
            var rest = client.listTagsForStream(new ListTagsForStreamRequest().withStreamName(name).withExclusiveStartTagKey(first.getTags().get(1).getKey()));
            equal(rest.getTags().stream().map(Tag::getKey).toList(), List.of("ταμείο"));
            client.removeTagsFromStream(new RemoveTagsFromStreamRequest().withStreamName(name).withTagKeys("made", "empty"));
            var left = client.listTagsForStream(new ListTagsForStreamRequest().withStreamName(name)).getTags();
            equal(left.stream().map(Tag::getValue).toList(), List.of("α"));
        });
        report.test("settings", "retention", () -> {
            String name = create("retained", 1);
            client.increaseStreamRetentionPeriod(new IncreaseStreamRetentionPeriodRequest().withStreamName(name).withRetentionPeriodHours(48));
            active(name);
            equal(summary(name).getRetentionPeriodHours(), 48);
            client.decreaseStreamRetentionPeriod(new DecreaseStreamRetentionPeriodRequest().withStreamName(name).withRetentionPeriodHours(24));
            active(name);
            equal(summary(name).getRetentionPeriodHours(), 24);
        });
    }

    private void records() {
        report.test("records", "bytes come back as they were", () -> {
            String name = create("bytes", 1);
            byte[] every = new byte[256];
            IntStream.range(0, 256).forEach(i -> every[i] = (byte) i);
            PutRecordResult place = put(name, "käse-鍵-🔑", every);
            put(name, "empty", new byte[0]);
            List<Record> found = readAll(name, FIRST);
            equal(found.size(), 2);
            ensure(Arrays.equals(found.get(0).getData().array(), every), found);
            equal(found.get(0).getPartitionKey(), "käse-鍵-🔑");
            equal(found.get(0).getSequenceNumber(), place.getSequenceNumber());
            recent(found.get(0).getApproximateArrivalTimestamp().toInstant());
            equal(found.get(1).getData().remaining(), 0);
        });
        report.test("records", "batches, pages, explicit hash keys", () -> {
            String name = create("batches", 2);
            for (int batch = 0; batch < 2; batch++) {
                List<PutRecordsRequestEntry> entries = IntStream.range(batch * 500, batch * 500 + 500)
                    .mapToObj(i -> entry("same", ("" + i).getBytes(StandardCharsets.UTF_8)).withExplicitHashKey("0")).toList();
                PutRecordsResult answer = client.putRecords(new PutRecordsRequest().withStreamName(name).withRecords(entries));
                equal(answer.getFailedRecordCount(), 0);
                ensure(answer.getRecords().stream().allMatch(place -> place.getShardId().equals(FIRST)), "another shard");
            }
            List<String> found = readAll(name, FIRST).stream().map(r -> new String(r.getData().array(), StandardCharsets.UTF_8)).toList();
            equal(found, IntStream.range(0, 1000).mapToObj(i -> "" + i).toList());
        });
        report.test("records", "every kind of iterator", () -> {
            String name = create("iterators", 1);
            List<String> numbers = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                numbers.add(put(name, "k", new byte[] {(byte) i}).getSequenceNumber());
                Thread.sleep(5);
            }
            List<Record> found = readAll(name, FIRST);
            equal(found.size(), 5);
            equal(read(from(name, FIRST, "AT_SEQUENCE_NUMBER").withStartingSequenceNumber(numbers.get(2))).records().size(), 3);
            equal(read(from(name, FIRST, "AFTER_SEQUENCE_NUMBER").withStartingSequenceNumber(numbers.get(2))).records().size(), 2);
            equal(read(from(name, FIRST, "AT_TIMESTAMP").withTimestamp(found.get(3).getApproximateArrivalTimestamp())).records().size(), 2);
            equal(read(from(name, FIRST, "LATEST")).records().size(), 0);
        });
        report.test("records", "ten mebibytes in a request and in an answer", () -> {
            String name = create("large", 1);
            byte[] data = new byte[(1 << 20) - 2];
            Arrays.fill(data, (byte) 0xfe);
            List<PutRecordsRequestEntry> entries = IntStream.range(0, 10).mapToObj(i -> entry("" + i, data)).toList();
            equal(client.putRecords(new PutRecordsRequest().withStreamName(name).withRecords(entries)).getFailedRecordCount(), 0);
            List<Record> found = readAll(name, FIRST);
            equal(found.size(), 10);
            ensure(found.stream().allMatch(record -> Arrays.equals(record.getData().array(), data)), "a record is another");
        });
        report.test("records", "throttled in part", () -> {
            String name = create("throttled", 1);
            client.addTagsToStream(new AddTagsToStreamRequest().withStreamName(name).withTags(Map.of("rheos:limits", "aws")));
            var once = new com.amazonaws.ClientConfiguration().withRetryPolicy(PredefinedRetryPolicies.NO_RETRY_POLICY);
            AmazonKinesis impatient = builder().withClientConfiguration(once).build();
            List<PutRecordsRequestEntry> entries = IntStream.range(0, 400).mapToObj(i -> entry("k", new byte[10_000])).toList();
            PutRecordsResult answer = impatient.putRecords(new PutRecordsRequest().withStreamName(name).withRecords(entries));
            long failed = answer.getRecords().stream().filter(place -> place.getErrorCode() != null).count();
            ensure(failed > 0 && failed < 400 && answer.getFailedRecordCount() == failed, failed);
            var error = refused(ProvisionedThroughputExceededException.class, () -> {
                for (int time = 0; time < 20; time++) {
                    impatient.putRecord(new PutRecordRequest().withStreamName(name).withPartitionKey("k").withData(ByteBuffer.allocate(900_000)));
                }
            });
            says(error.getErrorMessage(), "Rate exceeded for shard " + FIRST + " in stream throttled");
        });
    }

    private void split(String name, Shard shard) throws Exception {
        BigInteger middle = start(shard).add(new BigInteger(shard.getHashKeyRange().getEndingHashKey())).shiftRight(1).add(BigInteger.ONE);
        client.splitShard(new SplitShardRequest().withStreamName(name).withShardToSplit(shard.getShardId()).withNewStartingHashKey(middle.toString()));
        active(name);
    }

    private void reshards() {
        report.test("reshards", "split, merge, children", () -> {
            String name = create("resharded", 1);
            put(name, "k", new byte[] {1});
            split(name, open(name).get(0));
            List<Shard> children = open(name);
            Read read = read(from(name, FIRST, "TRIM_HORIZON"));
            equal(read.records().size(), 1);
            equal(read.children().stream().map(ChildShard::getShardId).toList(), children.stream().map(Shard::getShardId).toList());
            equal(read.children().get(0).getParentShards(), List.of(FIRST));
            client.mergeShards(new MergeShardsRequest().withStreamName(name).withShardToMerge(children.get(0).getShardId())
                .withAdjacentShardToMerge(children.get(1).getShardId()));
            active(name);
            equal(open(name).get(0).getAdjacentParentShardId(), children.get(1).getShardId());
            equal(put(name, "k", new byte[] {2}).getShardId(), open(name).get(0).getShardId());
        });
    }

    private void errors() {
        report.test("errors", "by class, with a request id", () -> {
            var error = refused(ResourceNotFoundException.class, () -> summary("nowhere"));
            equal(error.getErrorMessage(), "Stream nowhere under account 000000000000 not found.");
            equal(error.getErrorCode(), "ResourceNotFoundException");
            equal(error.getStatusCode(), 400);
            equal(error.getRequestId().length(), 36);
        });
        report.test("errors", "already there", () -> {
            create("twice", 1);
            refused(ResourceInUseException.class, () -> client.createStream("twice", 1));
        });
        report.test("errors", "bad arguments", () -> {
            var error = refused(InvalidArgumentException.class, () -> client.getRecords(new GetRecordsRequest().withShardIterator("AAAA")));
            equal(error.getErrorMessage(), "Invalid ShardIterator.");
            var invalid = refused(AmazonKinesisException.class, () -> client.createStream("a b", 1));
            equal(invalid.getErrorCode(), "ValidationException");
            says(invalid.getErrorMessage(), "regular expression pattern: [a-zA-Z0-9_.-]+");
        });
        report.test("errors", "wrong keys", () -> {
            String known = System.getenv("AWS_ACCESS_KEY_ID");
            var wrong = new AWSStaticCredentialsProvider(new BasicAWSCredentials(known, "wrong"));
            AmazonKinesis stranger = builder().withCredentials(wrong).build();
            equal(refused(AmazonKinesisException.class, () -> stranger.listStreams()).getErrorCode(), "InvalidSignatureException");
        });
    }
}

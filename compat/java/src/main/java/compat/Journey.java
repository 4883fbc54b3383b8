package compat;

import static compat.Report.ensure;
import static compat.Report.equal;
import static compat.Report.eventually;
import static compat.Report.recent;
import static compat.Report.refused;
import static compat.Report.says;

import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import software.amazon.awssdk.core.SdkBytes;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.ChildShard;
import software.amazon.awssdk.services.kinesis.model.EncryptionType;
import software.amazon.awssdk.services.kinesis.model.GetRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.GetShardIteratorRequest;
import software.amazon.awssdk.services.kinesis.model.InvalidArgumentException;
import software.amazon.awssdk.services.kinesis.model.KinesisException;
import software.amazon.awssdk.services.kinesis.model.ListShardsResponse;
import software.amazon.awssdk.services.kinesis.model.ProvisionedThroughputExceededException;
import software.amazon.awssdk.services.kinesis.model.PutRecordsRequestEntry;
import software.amazon.awssdk.services.kinesis.model.PutRecordsResponse;
import software.amazon.awssdk.services.kinesis.model.PutRecordsResultEntry;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.ResourceInUseException;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.ScalingType;
import software.amazon.awssdk.services.kinesis.model.Shard;
import software.amazon.awssdk.services.kinesis.model.ShardFilter;
import software.amazon.awssdk.services.kinesis.model.ShardFilterType;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.StreamDescriptionSummary;
import software.amazon.awssdk.services.kinesis.model.StreamStatus;

/** Everything that both clients of the SDK 2.x can do. */
final class Journey {
    static final String FIRST = "shardId-000000000000";
    static final int KEYS = 8;

    final Report report;
    final Clients clients;
    final KinesisClient client;

    Journey(Report report, Clients clients) {
        this.report = report;
        this.clients = clients;
        this.client = clients.calls();
        report.client = clients.name();
        report.version = VersionInfo.SDK_VERSION;
    }

    void all() throws Exception {
        streams();
        shards();
        records();
        reshards();
        new Consumers(this).all();
        new Settings(this).all();
        errors();
    }

    String create(String name, int shards, Map<String, String> tags) throws Exception {
        client.createStream(r -> r.streamName(name).shardCount(shards).tags(tags));
        active(name);
        return name;
    }

    String create(String name, int shards) throws Exception {
        return create(name, shards, null);
    }

    void active(String name) throws Exception {
        eventually(name + " is ACTIVE", () -> summary(name).streamStatus() == StreamStatus.ACTIVE);
    }

    StreamDescriptionSummary summary(String name) {
        return client.describeStreamSummary(r -> r.streamName(name)).streamDescriptionSummary();
    }

    String arn(String name) {
        return summary(name).streamARN();
    }

    List<Shard> open(String name) {
        List<Shard> shards = filtered(name, f -> f.type(ShardFilterType.AT_LATEST));
        return shards.stream().sorted(Comparator.comparing(Journey::start)).toList();
    }

    List<Shard> filtered(String name, Consumer<ShardFilter.Builder> filter) {
        return client.listShards(r -> r.streamName(name).shardFilter(filter)).shards();
    }

    static BigInteger start(Shard shard) {
        return new BigInteger(shard.hashKeyRange().startingHashKey());
    }

    String iterator(Consumer<GetShardIteratorRequest.Builder> request) {
        return client.getShardIterator(request).shardIterator();
    }

    String oldest(String name, String shard) {
        return iterator(r -> r.streamName(name).shardId(shard).shardIteratorType(ShardIteratorType.TRIM_HORIZON));
    }

    /** Records to a shard's end or to its tip, and the children if it has ended. */
    record Read(List<Record> records, List<ChildShard> children) {}

    Read read(String from, Integer limit) {
        List<Record> records = new ArrayList<>();
        String iterator = from;
        while (true) {
            String at = iterator;
            GetRecordsResponse answer = client.getRecords(r -> r.shardIterator(at).limit(limit));
            records.addAll(answer.records());
            equal(answer.nextShardIterator() == null, answer.hasChildShards() && !answer.childShards().isEmpty());
            if (answer.nextShardIterator() == null || answer.records().isEmpty() && answer.millisBehindLatest() == 0) {
                return new Read(records, answer.childShards());
            }
            iterator = answer.nextShardIterator();
        }
    }

    static PutRecordsRequestEntry entry(String key, byte[] data) {
        return PutRecordsRequestEntry.builder().partitionKey(key).data(SdkBytes.fromByteArray(data)).build();
    }

    static SdkBytes bytes(String text) {
        return SdkBytes.fromUtf8String(text);
    }

    List<PutRecordsResultEntry> putAll(String name, List<PutRecordsRequestEntry> entries) {
        PutRecordsResponse answer = client.putRecords(r -> r.streamName(name).records(entries));
        equal(answer.failedRecordCount(), 0);
        equal(answer.records().size(), entries.size());
        return answer.records();
    }

    private void streams() {
        report.test("streams", "create, wait, describe", () -> {
            String name = "described";
            client.createStream(r -> r.streamName(name).shardCount(3));
            // The waiters of both clients ask every ten seconds unless told otherwise.
            if (clients.isAsync()) {
                clients.async().waiter().waitUntilStreamExists(r -> r.streamName(name), soon()).join();
            } else {
                client.waiter().waitUntilStreamExists(r -> r.streamName(name), soon());
            }
            var found = client.describeStream(r -> r.streamName(name)).streamDescription();
            equal(found.streamName(), name);
            equal(found.streamARN(), "arn:aws:kinesis:us-east-1:000000000000:stream/" + name);
            equal(found.streamStatus(), StreamStatus.ACTIVE);
            equal(found.shards().size(), 3);
            equal(found.hasMoreShards(), false);
            equal(found.retentionPeriodHours(), 24);
            equal(found.encryptionType(), EncryptionType.NONE);
            recent(found.streamCreationTimestamp());
            equal(summary(name).openShardCount(), 3);
            equal(summary(name).streamCreationTimestamp(), found.streamCreationTimestamp());
        });
        report.test("streams", "describe in pages", () -> {
            create("pages", 5);
            int seen = 0;
            String[] last = {null};
            boolean more = true;
            while (more) {
                var page = client.describeStream(r -> r.streamName("pages").limit(2).exclusiveStartShardId(last[0])).streamDescription();
                seen += page.shards().size();
                last[0] = page.shards().get(page.shards().size() - 1).shardId();
                more = page.hasMoreShards();
            }
            equal(seen, 5);
        });
        report.test("streams", "list in pages", () -> {
            for (String name : List.of("listed-a", "listed-b", "listed-c")) {
                create(name, 1);
            }
            List<String> names = new ArrayList<>();
            int summaries = 0;
            for (var page : client.listStreamsPaginator(r -> r.limit(2))) {
                ensure(page.streamNames().size() <= 2, page);
                names.addAll(page.streamNames());
                summaries += page.streamSummaries().size();
            }
            ensure(names.size() >= 5 && names.equals(names.stream().sorted().toList()), names);
            equal(summaries, names.size());
        });
        report.test("streams", "delete, wait", () -> {
            String name = create("deleted", 2);
            client.deleteStream(r -> r.streamName(name).enforceConsumerDeletion(true));
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
            var limits = client.describeLimits();
            ensure(limits.openShardCount() >= 5 && limits.shardLimit() >= limits.openShardCount(), limits);
            ensure(limits.onDemandStreamCountLimit() >= 1, limits);
        });
    }

    private static Consumer<software.amazon.awssdk.core.waiters.WaiterOverrideConfiguration.Builder> soon() {
        return o -> o.backoffStrategyV2(software.amazon.awssdk.retries.api.BackoffStrategy.fixedDelay(Duration.ofMillis(50)));
    }

    private void shards() {
        report.test("shards", "list in pages", () -> {
            String name = create("shards", 5);
            Set<String> seen = new HashSet<>();
            ListShardsResponse page = client.listShards(r -> r.streamName(name).maxResults(2));
            int pages = 1;
            while (true) {
                page.shards().forEach(shard -> seen.add(shard.shardId()));
                String token = page.nextToken();
                if (token == null) {
                    break;
                }
                page = client.listShards(r -> r.nextToken(token).maxResults(2));
                pages++;
            }
            equal(pages, 3);
            equal(seen.size(), 5);
        });
        report.test("shards", "filters", () -> {
            String name = create("filtered", 1);
            Instant created = summary(name).streamCreationTimestamp();
            split(name, open(name).get(0));
            equal(filtered(name, f -> f.type(ShardFilterType.AT_LATEST)).size(), 2);
            equal(filtered(name, f -> f.type(ShardFilterType.AT_TRIM_HORIZON)).size(), 1);
            equal(filtered(name, f -> f.type(ShardFilterType.FROM_TRIM_HORIZON)).size(), 3);
            equal(filtered(name, f -> f.type(ShardFilterType.AFTER_SHARD_ID).shardId(FIRST)).size(), 2);
            equal(filtered(name, f -> f.type(ShardFilterType.FROM_TIMESTAMP).timestamp(created)).size(), 3);
            equal(filtered(name, f -> f.type(ShardFilterType.AT_TIMESTAMP).timestamp(Instant.now().minusMillis(1))).size(), 2);
        });
    }

    private void records() {
        report.test("records", "bytes come back as they were", () -> {
            String name = create("bytes", 1);
            byte[] every = new byte[256];
            IntStream.range(0, 256).forEach(i -> every[i] = (byte) i);
            var place = client.putRecord(r -> r.streamName(name).partitionKey("käse-鍵-🔑").data(SdkBytes.fromByteArray(every)));
            equal(place.shardId(), FIRST);
            client.putRecord(r -> r.streamName(name).partitionKey("empty").data(bytes("")));
            List<Record> found = read(oldest(name, FIRST), null).records();
            equal(found.size(), 2);
            ensure(Arrays.equals(found.get(0).data().asByteArray(), every), found);
            equal(found.get(0).partitionKey(), "käse-鍵-🔑");
            equal(found.get(0).sequenceNumber(), place.sequenceNumber());
            recent(found.get(0).approximateArrivalTimestamp());
            equal(found.get(1).data().asByteArray().length, 0);
        });
        report.test("records", "batches, pages, explicit hash keys", () -> {
            String name = create("batches", 2);
            for (int batch = 0; batch < 2; batch++) {
                int begin = batch * 500;
                var entries = IntStream.range(begin, begin + 500)
                    .mapToObj(i -> entry("same", ("" + i).getBytes()).toBuilder().explicitHashKey("0").build()).toList();
                ensure(putAll(name, entries).stream().allMatch(place -> place.shardId().equals(FIRST)), "another shard");
            }
            List<String> found = read(oldest(name, FIRST), 300).records().stream().map(r -> r.data().asUtf8String()).toList();
            equal(found, IntStream.range(0, 1000).mapToObj(i -> "" + i).toList());
        });
        report.test("records", "every kind of iterator", () -> {
            String name = create("iterators", 1);
            String latest = iterator(r -> r.streamName(name).shardId(FIRST).shardIteratorType(ShardIteratorType.LATEST));
            List<String> numbers = new ArrayList<>();
            for (int i = 0; i < 5; i++) {
                String data = "" + i;
                numbers.add(client.putRecord(r -> r.streamName(name).partitionKey("k").data(bytes(data))).sequenceNumber());
                Thread.sleep(5);
            }
            List<Record> found = read(oldest(name, FIRST), null).records();
            equal(found.size(), 5);
            Instant third = found.get(3).approximateArrivalTimestamp();
            Map<Consumer<GetShardIteratorRequest.Builder>, Integer> wanted = Map.of(
                r -> r.shardIteratorType(ShardIteratorType.AT_SEQUENCE_NUMBER).startingSequenceNumber(numbers.get(2)), 3,
                r -> r.shardIteratorType(ShardIteratorType.AFTER_SEQUENCE_NUMBER).startingSequenceNumber(numbers.get(2)), 2,
                r -> r.shardIteratorType(ShardIteratorType.AT_TIMESTAMP).timestamp(third), 2,
                r -> r.shardIteratorType(ShardIteratorType.LATEST), 0);
            wanted.forEach((kind, count) -> {
                String from = iterator(r -> kind.accept(r.streamName(name).shardId(FIRST)));
                equal(read(from, null).records().size(), count);
            });
            equal(read(latest, null).records().size(), 5);
        });
        report.test("records", "ten mebibytes in a request and in an answer", () -> {
            String name = create("large", 1);
            List<PutRecordsRequestEntry> entries = IntStream.range(0, 10).mapToObj(i -> {
                byte[] data = new byte[(1 << 20) - 2];
                Arrays.fill(data, (byte) (250 + i));
                return entry("" + i, data);
            }).toList();
            putAll(name, entries);
            List<Record> found = read(oldest(name, FIRST), null).records();
            equal(found.size(), 10);
            for (int i = 0; i < 10; i++) {
                ensure(found.get(i).data().equals(entries.get(i).data()), "record " + i + " is another");
            }
        });
        report.test("records", "a hundred requests at once", () -> {
            String name = create("parallel", 4);
            var calls = IntStream.range(0, 100).mapToObj(i -> {
                Consumer<software.amazon.awssdk.services.kinesis.model.PutRecordRequest.Builder> put =
                    r -> r.streamName(name).partitionKey("" + i).data(bytes("" + i));
                return clients.isAsync() ? clients.async().putRecord(put) : CompletableFuture.supplyAsync(() -> client.putRecord(put));
            }).toArray(CompletableFuture[]::new);
            CompletableFuture.allOf(calls).join();
            Set<String> seen = new HashSet<>();
            for (Shard shard : open(name)) {
                read(oldest(name, shard.shardId()), null).records().forEach(record -> seen.add(record.data().asUtf8String()));
            }
            equal(seen.size(), 100);
        });
        report.test("records", "throttled in part", () -> {
            String name = create("throttled", 1, Map.of("rheos:limits", "aws"));
            try (KinesisClient impatient = clients.impatient()) {
                var entries = IntStream.range(0, 400).mapToObj(i -> entry("k", new byte[10_000])).toList();
                PutRecordsResponse answer = impatient.putRecords(r -> r.streamName(name).records(entries));
                var failed = answer.records().stream().filter(place -> place.errorCode() != null).toList();
                ensure(failed.stream().allMatch(place -> place.errorCode().equals("ProvisionedThroughputExceededException")), failed);
                ensure(failed.size() > 0 && failed.size() < 400 && answer.failedRecordCount() == failed.size(), answer);
                var error = refused(ProvisionedThroughputExceededException.class, () -> {
                    for (int time = 0; time < 20; time++) {
                        impatient.putRecord(r -> r.streamName(name).partitionKey("k").data(SdkBytes.fromByteArray(new byte[900_000])));
                    }
                });
                says(error.awsErrorDetails().errorMessage(), "Rate exceeded for shard " + FIRST + " in stream throttled");
            }
        });
    }

    void split(String name, Shard shard) throws Exception {
        BigInteger middle = start(shard).add(new BigInteger(shard.hashKeyRange().endingHashKey())).shiftRight(1).add(BigInteger.ONE);
        client.splitShard(r -> r.streamName(name).shardToSplit(shard.shardId()).newStartingHashKey(middle.toString()));
        active(name);
    }

    void merge(String name, Shard low, Shard high) throws Exception {
        client.mergeShards(r -> r.streamName(name).shardToMerge(low.shardId()).adjacentShardToMerge(high.shardId()));
        active(name);
    }

    /** Writes numbered records until it is closed, and says then how many. */
    final class Writer {
        private final AtomicBoolean stopped = new AtomicBoolean();
        private final CompletableFuture<Integer> work;

        Writer(String name) {
            work = CompletableFuture.supplyAsync(() -> {
                int written = 0;
                while (!stopped.get()) {
                    putAll(name, IntStream.range(written, written + 2 * KEYS)
                        .mapToObj(at -> entry("key " + at % KEYS, ("" + at).getBytes(StandardCharsets.UTF_8))).toList());
                    written += 2 * KEYS;
                }
                return written;
            });
        }

        int stop() {
            stopped.set(true);
            return work.join();
        }
    }

    /** What a reader has seen: the records of every key in order, each once. */
    static final class Journal {
        private final Map<String, Integer> last = new HashMap<>();
        private int total;

        synchronized void add(Record record) {
            int at = Integer.parseInt(record.data().asUtf8String());
            Integer before = last.put(record.partitionKey(), at);
            ensure(before == null ? at < KEYS : at == before + KEYS, record.partitionKey() + ": " + at + " comes after " + before);
            total++;
        }

        synchronized int total() {
            return total;
        }
    }

    private void reshards() {
        report.test("reshards", "split, merge, children", () -> {
            String name = create("resharded", 1);
            client.putRecord(r -> r.streamName(name).partitionKey("k").data(bytes("before")));
            split(name, open(name).get(0));
            List<Shard> children = open(name);
            equal(children.size(), 2);
            equal(children.get(1).parentShardId(), FIRST);
            Read read = read(oldest(name, FIRST), null);
            equal(read.records().size(), 1);
            equal(read.children().size(), 2);
            equal(read.children().get(0).parentShards(), List.of(FIRST));
            merge(name, children.get(0), children.get(1));
            List<Shard> merged = open(name);
            equal(merged.size(), 1);
            equal(merged.get(0).parentShardId(), children.get(0).shardId());
            equal(merged.get(0).adjacentParentShardId(), children.get(1).shardId());
            var place = client.putRecord(r -> r.streamName(name).partitionKey("k").data(bytes("after")));
            equal(place.shardId(), merged.get(0).shardId());
        });
        report.test("reshards", "to a number of shards", () -> {
            String name = create("scaled", 2);
            for (int count : new int[] {4, 2, 2}) {
                var answer = client.updateShardCount(r -> r.streamName(name).targetShardCount(count).scalingType(ScalingType.UNIFORM_SCALING));
                equal(answer.targetShardCount(), count);
                equal(answer.streamName(), name);
                active(name);
                equal(open(name).size(), count);
            }
            equal(start(open(name).get(1)), BigInteger.ONE.shiftLeft(127));
            invalid("Member must have value greater than or equal to 1",
                () -> client.updateShardCount(r -> r.streamName(name).targetShardCount(0).scalingType(ScalingType.UNIFORM_SCALING)));
        });
        report.test("reshards", "a reader follows while writers go on", () -> {
            String name = create("followed", 1);
            Writer writer = new Writer(name);
            split(name, open(name).get(0));
            split(name, open(name).get(1));
            merge(name, open(name).get(0), open(name).get(1));
            int written = writer.stop();
            Journal seen = new Journal();
            Set<String> walked = new HashSet<>();
            ArrayDeque<String> queue = new ArrayDeque<>(List.of(FIRST));
            while (!queue.isEmpty()) {
                String shard = queue.remove();
                walked.add(shard);
                Read read = read(oldest(name, shard), 100);
                read.records().forEach(seen::add);
                read.children().stream().filter(child -> walked.containsAll(child.parentShards())).forEach(child -> queue.add(child.shardId()));
            }
            ensure(written > 0, "nothing was written");
            equal(seen.total(), written);
        });
    }

    private void errors() {
        report.test("errors", "by class, with a request id", () -> {
            var error = refused(ResourceNotFoundException.class, () -> client.describeStream(r -> r.streamName("nowhere")));
            equal(error.awsErrorDetails().errorMessage(), "Stream nowhere under account 000000000000 not found.");
            equal(error.statusCode(), 400);
            equal(error.requestId().length(), 36);
            ensure(error.extendedRequestId() != null && error.extendedRequestId().length() >= 64, error.extendedRequestId());
        });
        report.test("errors", "of every operation on a stream that is not there", () -> {
            refused(ResourceNotFoundException.class, () -> client.deleteStream(r -> r.streamName("nowhere")));
            refused(ResourceNotFoundException.class, () -> client.listShards(r -> r.streamName("nowhere")));
            refused(ResourceNotFoundException.class, () -> client.putRecord(r -> r.streamName("nowhere").partitionKey("k").data(bytes("x"))));
            var error = refused(ResourceNotFoundException.class, () -> oldest("nowhere", FIRST));
            says(error.awsErrorDetails().errorMessage(), "does not exist");
        });
        report.test("errors", "already there", () -> {
            create("twice", 1);
            refused(ResourceInUseException.class, () -> client.createStream(r -> r.streamName("twice").shardCount(1)));
        });
        report.test("errors", "bad arguments", () -> {
            String name = create("mistaken", 1);
            var error = refused(InvalidArgumentException.class, () -> client.getRecords(r -> r.shardIterator("AAAA")));
            equal(error.awsErrorDetails().errorMessage(), "Invalid ShardIterator.");
            invalid("Member must have length greater than or equal to 1", () -> client.putRecord(r -> r.streamName(name).partitionKey("").data(bytes("x"))));
            invalid("regular expression pattern: [a-zA-Z0-9_.-]+", () -> client.createStream(r -> r.streamName("a b").shardCount(1)));
            // This SDK checks nothing before it sends.
            invalid("Member must not be null", () -> client.putRecord(r -> r.streamName(name).partitionKey("k")));
            invalid("NewStartingHashKey 0 used in SplitShard()", () -> client.splitShard(r -> r.streamName(name).shardToSplit(FIRST).newStartingHashKey("0")));
            invalid("Minimum allowed retention period is 24 hours.", () -> client.increaseStreamRetentionPeriod(r -> r.streamName(name).retentionPeriodHours(1)));
        });
        report.test("errors", "wrong keys", () -> {
            for (var wrong : Map.of(System.getenv("AWS_ACCESS_KEY_ID"), "InvalidSignatureException", "AKIAUNKNOWN", "UnrecognizedClientException").entrySet()) {
                try (KinesisClient stranger = clients.withKey(wrong.getKey(), "wrong")) {
                    var error = refused(KinesisException.class, () -> stranger.listStreams());
                    equal(error.awsErrorDetails().errorCode(), wrong.getValue());
                }
            }
        });
    }

    static void invalid(String message, Report.Body call) throws Exception {
        says(refused(KinesisException.class, call).awsErrorDetails().errorMessage(), message);
    }
}

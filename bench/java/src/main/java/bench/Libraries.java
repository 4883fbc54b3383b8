package bench;

import com.google.common.util.concurrent.FutureCallback;
import com.google.common.util.concurrent.Futures;
import com.google.common.util.concurrent.MoreExecutors;
import java.net.URI;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.KinesisClientUtil;
import software.amazon.kinesis.common.StreamIdentifier;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.metrics.NullMetricsFactory;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordResult;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/** `produce PORT STREAM RECORDS` or `consume ENDPOINT STREAM RECORDS`: prints how many seconds it took, and how many failed. */
public final class Libraries {
    private Libraries() {}

    public static void main(String[] arguments) throws Exception {
        String stream = arguments[2];
        long records = Long.parseLong(arguments[3]);
        if (arguments[0].equals("produce")) {
            produce(Integer.parseInt(arguments[1]), stream, records);
        } else {
            consume(URI.create(arguments[1]), stream, records);
        }
        System.exit(0);
    }

    private static void report(long begun, long failed) {
        System.out.printf("{\"seconds\": %.3f, \"failed\": %d}%n", (System.nanoTime() - begun) / 1e9, failed);
    }

    /** Records of 100 bytes, each with a key of its own, as fast as the library takes them. */
    private static void produce(int port, String stream, long records) throws Exception {
        KinesisProducer producer = new KinesisProducer(new KinesisProducerConfiguration()
            .setRegion(System.getenv("AWS_REGION"))
            .setKinesisEndpoint("127.0.0.1")
            .setKinesisPort(port)
            .setVerifyCertificate(false)
            .setMetricsLevel("none")
            .setRateLimit(1_000_000)
            .setRecordTtl(120_000));
        AtomicLong failed = new AtomicLong();
        FutureCallback<UserRecordResult> outcome = new FutureCallback<>() {
            @Override
            public void onSuccess(UserRecordResult result) {}

            @Override
            public void onFailure(Throwable error) {
                failed.incrementAndGet();
            }
        };
        byte[] data = new byte[100];
        Arrays.fill(data, (byte) 'x');
        // The native process starts, connects and learns the shards before anything is measured.
        for (int number = 0; number < 1000; number++) {
            producer.addUserRecord(stream, Integer.toString(number), ByteBuffer.wrap(data));
        }
        producer.flushSync();
        long begun = System.nanoTime();
        for (long number = 0; number < records; number++) {
            while (producer.getOutstandingRecordsCount() > 20_000) {
                Thread.sleep(1);
            }
            var future = producer.addUserRecord(stream, Long.toString(number), ByteBuffer.wrap(data));
            Futures.addCallback(future, outcome, MoreExecutors.directExecutor());
        }
        producer.flushSync();
        report(begun, failed.get());
    }

    /** Counts, and checkpoints after each batch. */
    private static final class Counter implements ShardRecordProcessor {
        private final AtomicLong left;
        private final AtomicLong begun;
        private final CountDownLatch done;

        Counter(AtomicLong left, AtomicLong begun, CountDownLatch done) {
            this.left = left;
            this.begun = begun;
            this.done = done;
        }

        @Override
        public void initialize(InitializationInput input) {
            begun.compareAndSet(0, System.nanoTime());
        }

        @Override
        public void processRecords(ProcessRecordsInput input) {
            try {
                if (!input.records().isEmpty()) {
                    input.checkpointer().checkpoint();
                }
            } catch (Exception error) {
                throw new IllegalStateException(error);
            }
            if (left.addAndGet(-input.records().size()) <= 0) {
                done.countDown();
            }
        }

        @Override
        public void leaseLost(LeaseLostInput input) {}

        @Override
        public void shardEnded(ShardEndedInput input) {}

        @Override
        public void shutdownRequested(ShutdownRequestedInput input) {}
    }

    /** From the first shard's beginning until so many records were processed. */
    private static void consume(URI endpoint, String stream, long records) throws Exception {
        Region region = Region.of(System.getenv("AWS_REGION"));
        KinesisAsyncClient kinesis = KinesisClientUtil.createKinesisAsyncClient(
            KinesisAsyncClient.builder().endpointOverride(endpoint).region(region));
        DynamoDbAsyncClient tables = DynamoDbAsyncClient.builder().endpointOverride(endpoint).region(region).build();
        CloudWatchAsyncClient metrics = CloudWatchAsyncClient.builder().endpointOverride(endpoint).region(region).build();
        AtomicLong left = new AtomicLong(records);
        AtomicLong begun = new AtomicLong();
        CountDownLatch done = new CountDownLatch(1);
        SingleStreamTracker tracker = new SingleStreamTracker(
            StreamIdentifier.singleStreamInstance(stream),
            InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON));
        ConfigsBuilder configs = new ConfigsBuilder(
            tracker, "java-" + stream, kinesis, tables, metrics, UUID.randomUUID().toString(), () -> new Counter(left, begun, done));
        var retrieval = configs.retrievalConfig();
        retrieval.retrievalSpecificConfig(new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(200));
        Scheduler scheduler = new Scheduler(
            configs.checkpointConfig(),
            configs.coordinatorConfig(),
            configs.leaseManagementConfig(),
            configs.lifecycleConfig(),
            configs.metricsConfig().metricsFactory(new NullMetricsFactory()),
            configs.processorConfig(),
            retrieval);
        new Thread(scheduler, "scheduler").start();
        done.await();
        report(begun.get(), 0);
    }
}

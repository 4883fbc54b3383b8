package compat;

import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.TimeUnit;
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
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.KinesisClientRecord;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/**
 * A worker of an application. Arguments are NAME=VALUE: endpoint, stream, application, worker, retrieval (polling or
 * fan-out), position. Each thing that happens is a line on standard output; when standard input ends the worker shuts down
 * gracefully. The clients differ from those for AWS by the endpoint alone.
 */
public final class Worker {
    private static final Object OUT = new Object();

    private Worker() {}

    static void tell(String... words) {
        synchronized (OUT) {
            System.out.println(String.join("\t", words));
            System.out.flush();
        }
    }

    /** Tells what it gets, and checkpoints after each batch. */
    static final class Processor implements ShardRecordProcessor {
        private String shard;

        @Override
        public void initialize(InitializationInput input) {
            shard = input.shardId();
            tell("begin", shard, input.extendedSequenceNumber().sequenceNumber());
        }

        @Override
        public void processRecords(ProcessRecordsInput input) {
            for (KinesisClientRecord record : input.records()) {
                String data = StandardCharsets.UTF_8.decode(record.data()).toString();
                tell("record", shard, record.sequenceNumber(), Long.toString(record.subSequenceNumber()), record.partitionKey(), data);
            }
            if (!input.records().isEmpty()) {
                checkpoint(() -> input.checkpointer().checkpoint());
            }
        }

        @Override
        public void leaseLost(LeaseLostInput input) {
            tell("lost", shard);
        }

        @Override
        public void shardEnded(ShardEndedInput input) {
            checkpoint(() -> input.checkpointer().checkpoint());
            tell("end", shard);
        }

        @Override
        public void shutdownRequested(ShutdownRequestedInput input) {
            checkpoint(() -> input.checkpointer().checkpoint());
            tell("asked", shard);
        }

        private interface Step {
            void run() throws Exception;
        }

        private void checkpoint(Step step) {
            try {
                step.run();
            } catch (Exception error) {
                tell("unchecked", shard, error.toString());
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, String> given = new HashMap<>();
        for (String argument : arguments) {
            String[] pair = argument.split("=", 2);
            given.put(pair[0], pair[1]);
        }
        String stream = given.get("stream");
        URI endpoint = URI.create(given.get("endpoint"));
        Region region = Region.of(System.getenv("AWS_REGION"));
        KinesisAsyncClient kinesis = KinesisClientUtil.createKinesisAsyncClient(
            KinesisAsyncClient.builder().endpointOverride(endpoint).region(region));
        DynamoDbAsyncClient tables = DynamoDbAsyncClient.builder().endpointOverride(endpoint).region(region).build();
        CloudWatchAsyncClient metrics = CloudWatchAsyncClient.builder().endpointOverride(endpoint).region(region).build();

        InitialPositionInStream position = InitialPositionInStream.valueOf(given.getOrDefault("position", "TRIM_HORIZON"));
        SingleStreamTracker tracker = new SingleStreamTracker(
            StreamIdentifier.singleStreamInstance(stream), InitialPositionInStreamExtended.newInitialPosition(position));
        ConfigsBuilder configs = new ConfigsBuilder(
            tracker, given.get("application"), kinesis, tables, metrics, given.get("worker"), Processor::new);
        var retrieval = configs.retrievalConfig();
        if (given.getOrDefault("retrieval", "polling").equals("polling")) {
            retrieval.retrievalSpecificConfig(new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(200));
        }
        // A test has no minutes to wait: what is shorter here is how long the library waits, not what it does.
        Scheduler scheduler = new Scheduler(
            configs.checkpointConfig(),
            configs.coordinatorConfig().parentShardPollIntervalMillis(500).shardConsumerDispatchPollIntervalMillis(100),
            configs.leaseManagementConfig().failoverTimeMillis(3000).shardSyncIntervalMillis(1000),
            configs.lifecycleConfig().taskBackoffTimeMillis(200),
            configs.metricsConfig().metricsBufferTimeMillis(1000),
            configs.processorConfig(),
            retrieval);
        Thread thread = new Thread(scheduler, "scheduler");
        thread.start();
        tell("started", given.get("worker"));
        // The end of standard input asks for the end.
        while (System.in.read() >= 0) {
            continue;
        }
        boolean graceful = scheduler.startGracefulShutdown().get(40, TimeUnit.SECONDS);
        tell("stopped", Boolean.toString(graceful));
        System.exit(0);
    }
}

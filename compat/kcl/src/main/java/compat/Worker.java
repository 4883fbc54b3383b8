package compat;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Method;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Date;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.KinesisClientUtil;
import software.amazon.kinesis.common.StreamConfig;
import software.amazon.kinesis.common.StreamIdentifier;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.processor.FormerStreamsLeasesDeletionStrategy;
import software.amazon.kinesis.processor.MultiStreamTracker;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.ShardRecordProcessorFactory;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.KinesisClientRecord;
import software.amazon.kinesis.retrieval.fanout.FanOutConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/**
 * Workers of applications, for the Kinesis Client Library 2.x and 3.x. Each line of standard input is a command, its words
 * parted by tabs: `start WORKER NAME=VALUE…`, `stop WORKER` (it gives its leases back) and `halt WORKER` (it leaves them to
 * expire); the end of the input ends the process at once.
 *
 * <p>Names of `start`: endpoint, stream (one, or several identifiers with commas), application, retrieval (polling or fan-out),
 * position (TRIM_HORIZON, LATEST or milliseconds), and settings of the library with a dot: `lease.failoverTimeMillis`.
 *
 * <p>What happens is a line of standard output, parted by tabs: worker, monotonic nanoseconds (of this machine, so that lines
 * of several processes can be ordered), event, stream, shard, and what the event has to tell. A batch is on standard output
 * before it is checkpointed.
 */
public final class Worker {
    private final String name;
    private final Map<String, String> given;
    private Scheduler scheduler;

    private Worker(String name, Map<String, String> given) {
        this.name = name;
        this.given = given;
    }

    private void tell(String... words) {
        synchronized (System.out) {
            System.out.print(line(words));
            System.out.flush();
        }
    }

    private String line(String... words) {
        return name + "\t" + System.nanoTime() + "\t" + String.join("\t", words) + "\n";
    }

    /** Tells what it gets, and checkpoints after each batch. */
    private final class Processor implements ShardRecordProcessor {
        private final String stream;
        private String shard;

        Processor(String stream) {
            this.stream = stream;
        }

        @Override
        public void initialize(InitializationInput input) {
            shard = input.shardId();
            tell("begin", stream, shard, input.extendedSequenceNumber().sequenceNumber());
        }

        @Override
        public void processRecords(ProcessRecordsInput input) {
            if (input.records().isEmpty()) {
                return;
            }
            StringBuilder lines = new StringBuilder();
            for (KinesisClientRecord record : input.records()) {
                String data = StandardCharsets.UTF_8.decode(record.data()).toString();
                String subSequence = Long.toString(record.subSequenceNumber());
                lines.append(line("record", stream, shard, record.sequenceNumber(), subSequence, record.partitionKey(), data));
            }
            synchronized (System.out) {
                System.out.print(lines);
                System.out.flush();
            }
            checkpoint(() -> input.checkpointer().checkpoint());
        }

        @Override
        public void leaseLost(LeaseLostInput input) {
            tell("lost", stream, shard);
        }

        @Override
        public void shardEnded(ShardEndedInput input) {
            tell("end", stream, shard);
            checkpoint(() -> input.checkpointer().checkpoint());
        }

        @Override
        public void shutdownRequested(ShutdownRequestedInput input) {
            if (checkpoint(() -> input.checkpointer().checkpoint())) {
                tell("handed over", stream, shard);
            }
        }

        private interface Step {
            void run() throws Exception;
        }

        private boolean checkpoint(Step step) {
            try {
                step.run();
                return true;
            } catch (Exception error) {
                tell("not checkpointed", stream, shard, error.toString());
                return false;
            }
        }
    }

    private final class Processors implements ShardRecordProcessorFactory {
        @Override
        public ShardRecordProcessor shardRecordProcessor() {
            throw new UnsupportedOperationException("the library says which stream");
        }

        @Override
        public ShardRecordProcessor shardRecordProcessor(StreamIdentifier stream) {
            return new Processor(stream.streamName());
        }
    }

    /** Several streams, none of which is ever given up. */
    private record Streams(List<StreamConfig> streamConfigList) implements MultiStreamTracker {
        @Override
        public FormerStreamsLeasesDeletionStrategy formerStreamsLeasesDeletionStrategy() {
            return new FormerStreamsLeasesDeletionStrategy.NoLeaseDeletionStrategy();
        }
    }

    private InitialPositionInStreamExtended position() {
        String position = given.getOrDefault("position", "TRIM_HORIZON");
        if (Character.isDigit(position.charAt(0))) {
            return InitialPositionInStreamExtended.newInitialPositionAtTimestamp(new Date(Long.parseLong(position)));
        }
        return InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.valueOf(position));
    }

    private ConfigsBuilder configs(String[] streams, KinesisAsyncClient kinesis, URI endpoint, Region region) {
        DynamoDbAsyncClient tables = DynamoDbAsyncClient.builder().endpointOverride(endpoint).region(region).build();
        CloudWatchAsyncClient metrics = CloudWatchAsyncClient.builder().endpointOverride(endpoint).region(region).build();
        String application = given.get("application");
        if (streams.length == 1) {
            var tracker = new SingleStreamTracker(StreamIdentifier.singleStreamInstance(streams[0]), position());
            return new ConfigsBuilder(tracker, application, kinesis, tables, metrics, name, new Processors());
        }
        List<StreamConfig> each = new ArrayList<>();
        for (String stream : streams) {
            each.add(new StreamConfig(StreamIdentifier.multiStreamInstance(stream), position()));
        }
        return new ConfigsBuilder(new Streams(each), application, kinesis, tables, metrics, name, new Processors());
    }

    /** The clients differ from those for AWS by the endpoint alone. */
    private void start() throws ReflectiveOperationException {
        URI endpoint = URI.create(given.get("endpoint"));
        Region region = Region.of(System.getenv("AWS_REGION"));
        KinesisAsyncClient kinesis = KinesisClientUtil.createKinesisAsyncClient(
            KinesisAsyncClient.builder().endpointOverride(endpoint).region(region));
        String[] streams = given.get("stream").split(",");
        ConfigsBuilder configs = configs(streams, kinesis, endpoint, region);
        var retrieval = configs.retrievalConfig();
        boolean one = streams.length == 1;
        if (given.getOrDefault("retrieval", "polling").equals("polling")) {
            PollingConfig polling = one ? new PollingConfig(streams[0], kinesis) : new PollingConfig(kinesis);
            retrieval.retrievalSpecificConfig(polling.idleTimeBetweenReadsInMillis(250));
        } else {
            FanOutConfig fanOut = new FanOutConfig(kinesis).applicationName(given.get("application"));
            retrieval.retrievalSpecificConfig(one ? fanOut.streamName(streams[0]) : fanOut);
        }
        Map<String, Object> parts = Map.of(
            "coordinator", configs.coordinatorConfig(), "lease", configs.leaseManagementConfig(),
            "lifecycle", configs.lifecycleConfig(), "metrics", configs.metricsConfig());
        for (var entry : given.entrySet()) {
            String[] path = entry.getKey().split("\\.");
            if (path.length > 1) {
                set(parts.get(path[0]), path, entry.getValue());
            }
        }
        scheduler = new Scheduler(
            configs.checkpointConfig(), (software.amazon.kinesis.coordinator.CoordinatorConfig) parts.get("coordinator"),
            (software.amazon.kinesis.leases.LeaseManagementConfig) parts.get("lease"),
            (software.amazon.kinesis.lifecycle.LifecycleConfig) parts.get("lifecycle"),
            (software.amazon.kinesis.metrics.MetricsConfig) parts.get("metrics"), configs.processorConfig(), retrieval);
        Thread thread = new Thread(scheduler, name);
        thread.setDaemon(true);
        thread.start();
        tell("started");
    }

    /** Calls the setter at the path, which is the same for all that the library lets one set. */
    private static void set(Object target, String[] path, String value) throws ReflectiveOperationException {
        for (int at = 1; at < path.length - 1; at++) {
            target = target.getClass().getMethod(path[at]).invoke(target);
        }
        for (Method method : target.getClass().getMethods()) {
            if (method.getName().equals(path[path.length - 1]) && method.getParameterCount() == 1) {
                method.invoke(target, converted(method.getParameterTypes()[0], value));
                return;
            }
        }
        throw new IllegalArgumentException("this version of the library has no setting " + String.join(".", path));
    }

    /** What a worker measures of itself, which the library otherwise decides by whose machine it finds itself on. By name: 2.x has none. */
    private static Object measure(String of) throws ReflectiveOperationException {
        Object range = Class.forName("software.amazon.kinesis.worker.metric.OperatingRange").getMethod("builder").invoke(null);
        range = range.getClass().getMethod("maxUtilization", int.class).invoke(range, 100);
        range = range.getClass().getMethod("build").invoke(range);
        return Class.forName("software.amazon.kinesis.worker.metric.impl." + of).getConstructor(range.getClass()).newInstance(range);
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Object converted(Class<?> type, String value) throws ReflectiveOperationException {
        if (type == long.class || type == Long.class) {
            return Long.valueOf(value);
        }
        if (type == int.class) {
            return Integer.valueOf(value);
        }
        if (type == boolean.class) {
            return Boolean.valueOf(value);
        }
        if (type == Duration.class) {
            return Duration.ofMillis(Long.parseLong(value));
        }
        if (type == List.class) {
            return List.of(measure(value));
        }
        if (type.isEnum()) {
            return Enum.valueOf((Class) type, value);
        }
        throw new IllegalArgumentException("a setting of type " + type);
    }

    private void stop() {
        try {
            // KCL 3.5.1, asked to end while its leader assigns leases, waits 60 s for that thread before it interrupts it
            // ("LeaseAssignmentManager did not shutdown in 60s, forcefully shutting down").
            tell("stopped", Boolean.toString(scheduler.startGracefulShutdown().get(120, TimeUnit.SECONDS)));
        } catch (Exception error) {
            tell("stopped", error.toString());
        }
    }

    private void halt() {
        scheduler.shutdown();
        tell("stopped", "false");
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, Worker> workers = new ConcurrentHashMap<>();
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String command = commands.readLine(); command != null; command = commands.readLine()) {
            String[] words = command.split("\t");
            if (words[0].equals("start")) {
                Map<String, String> given = new HashMap<>();
                for (int at = 2; at < words.length; at++) {
                    String[] pair = words[at].split("=", 2);
                    given.put(pair[0], pair[1]);
                }
                Worker worker = new Worker(words[1], given);
                workers.put(words[1], worker);
                worker.start();
            } else {
                Worker worker = workers.get(words[1]);
                new Thread(words[0].equals("stop") ? worker::stop : worker::halt, "stop").start();
            }
        }
        System.exit(0);
    }
}

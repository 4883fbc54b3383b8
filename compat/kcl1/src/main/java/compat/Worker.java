package compat;

import com.amazonaws.auth.DefaultAWSCredentialsProviderChain;
import com.amazonaws.client.builder.AwsClientBuilder.EndpointConfiguration;
import com.amazonaws.services.cloudwatch.AmazonCloudWatchClientBuilder;
import com.amazonaws.services.dynamodbv2.AmazonDynamoDBClientBuilder;
import com.amazonaws.services.kinesis.AmazonKinesisClientBuilder;
import com.amazonaws.services.kinesis.clientlibrary.interfaces.IRecordProcessorCheckpointer;
import com.amazonaws.services.kinesis.clientlibrary.interfaces.v2.IRecordProcessor;
import com.amazonaws.services.kinesis.clientlibrary.interfaces.v2.IShutdownNotificationAware;
import com.amazonaws.services.kinesis.clientlibrary.lib.worker.InitialPositionInStream;
import com.amazonaws.services.kinesis.clientlibrary.lib.worker.KinesisClientLibConfiguration;
import com.amazonaws.services.kinesis.clientlibrary.lib.worker.ShutdownReason;
import com.amazonaws.services.kinesis.clientlibrary.types.InitializationInput;
import com.amazonaws.services.kinesis.clientlibrary.types.ProcessRecordsInput;
import com.amazonaws.services.kinesis.clientlibrary.types.ShutdownInput;
import com.amazonaws.services.kinesis.clientlibrary.types.UserRecord;
import com.amazonaws.services.kinesis.model.Record;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Method;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;

/** Workers of applications, for the Kinesis Client Library 1.x: the commands and the lines of `compat/kcl`, where they are told. */
public final class Worker {
    private final String name;
    private final Map<String, String> given;
    private com.amazonaws.services.kinesis.clientlibrary.lib.worker.Worker worker;

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
    private final class Processor implements IRecordProcessor, IShutdownNotificationAware {
        private String shard;

        @Override
        public void initialize(InitializationInput input) {
            shard = input.getShardId();
            tell("begin", given.get("stream"), shard, input.getExtendedSequenceNumber().getSequenceNumber());
        }

        @Override
        public void processRecords(ProcessRecordsInput input) {
            if (input.getRecords().isEmpty()) {
                return;
            }
            StringBuilder lines = new StringBuilder();
            for (Record record : input.getRecords()) {
                String data = StandardCharsets.UTF_8.decode(record.getData()).toString();
                String subSequence = Long.toString(record instanceof UserRecord user ? user.getSubSequenceNumber() : 0);
                lines.append(line("record", given.get("stream"), shard, record.getSequenceNumber(), subSequence, record.getPartitionKey(), data));
            }
            synchronized (System.out) {
                System.out.print(lines);
                System.out.flush();
            }
            checkpoint(input.getCheckpointer());
        }

        @Override
        public void shutdown(ShutdownInput input) {
            if (input.getShutdownReason() == ShutdownReason.TERMINATE) {
                tell("end", given.get("stream"), shard);
                checkpoint(input.getCheckpointer());
            } else {
                tell("lost", given.get("stream"), shard);
            }
        }

        @Override
        public void shutdownRequested(IRecordProcessorCheckpointer checkpointer) {
            if (checkpoint(checkpointer)) {
                tell("handed over", given.get("stream"), shard);
            }
        }

        private boolean checkpoint(IRecordProcessorCheckpointer checkpointer) {
            try {
                checkpointer.checkpoint();
                return true;
            } catch (Exception error) {
                tell("not checkpointed", given.get("stream"), shard, error.toString());
                return false;
            }
        }
    }

    /** The clients differ from those for AWS by the endpoint alone. */
    private void start() throws ReflectiveOperationException {
        String region = System.getenv("AWS_REGION");
        EndpointConfiguration endpoint = new EndpointConfiguration(given.get("endpoint"), region);
        KinesisClientLibConfiguration configuration = new KinesisClientLibConfiguration(
            given.get("application"), given.get("stream"), new DefaultAWSCredentialsProviderChain(), name)
            .withInitialPositionInStream(InitialPositionInStream.valueOf(given.getOrDefault("position", "TRIM_HORIZON")))
            .withIdleTimeBetweenReadsInMillis(250).withRegionName(region);
        for (var entry : given.entrySet()) {
            if (entry.getKey().startsWith("with")) {
                set(configuration, entry.getKey(), entry.getValue());
            }
        }
        worker = new com.amazonaws.services.kinesis.clientlibrary.lib.worker.Worker.Builder()
            .recordProcessorFactory(Processor::new).config(configuration)
            .kinesisClient(AmazonKinesisClientBuilder.standard().withEndpointConfiguration(endpoint).build())
            .dynamoDBClient(AmazonDynamoDBClientBuilder.standard().withEndpointConfiguration(endpoint).build())
            .cloudWatchClient(AmazonCloudWatchClientBuilder.standard().withEndpointConfiguration(endpoint).build())
            .build();
        Thread thread = new Thread(worker, name);
        thread.setDaemon(true);
        thread.start();
        tell("started");
    }

    private static void set(KinesisClientLibConfiguration configuration, String setter, String value) throws ReflectiveOperationException {
        for (Method method : KinesisClientLibConfiguration.class.getMethods()) {
            if (method.getName().equals(setter)) {
                Class<?> type = method.getParameterTypes()[0];
                method.invoke(configuration, type == long.class ? Long.valueOf(value) : type == int.class ? Integer.valueOf(value) : (Object) Boolean.valueOf(value));
                return;
            }
        }
        throw new IllegalArgumentException("this version of the library has no setting " + setter);
    }

    private void stop() {
        try {
            tell("stopped", Boolean.toString(worker.startGracefulShutdown().get(60, TimeUnit.SECONDS)));
        } catch (Exception error) {
            tell("stopped", error.toString());
        }
    }

    private void halt() {
        worker.shutdown();
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

package compat;

import com.google.common.util.concurrent.FutureCallback;
import com.google.common.util.concurrent.Futures;
import com.google.common.util.concurrent.MoreExecutors;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Collectors;
import software.amazon.awssdk.auth.credentials.DefaultCredentialsProvider;
import software.amazon.kinesis.producer.Attempt;
import software.amazon.kinesis.producer.KinesisProducer;
import software.amazon.kinesis.producer.KinesisProducerConfiguration;
import software.amazon.kinesis.producer.UserRecordFailedException;
import software.amazon.kinesis.producer.UserRecordResult;

/**
 * A producer on the Kinesis Producer Library. Arguments are NAME=VALUE: port (TLS, on 127.0.0.1), authority, stream, rate (user
 * records a second), size (bytes of each), outstanding (how many at most are on their way). It puts records until a line
 * comes on standard input or its end, waits for what became of each, and tells it in lines whose words are parted by tabs: `ok`, the record's
 * number, shard, sequence number and the errors of earlier attempts; `failed`, the number and the errors; at the end `done` and how many.
 *
 * <p>Record n has the partition key `key-N` with N = n mod 97, and its data begin with n.
 */
public final class Producer {
    private Producer() {}

    private static void tell(Object... words) {
        StringBuilder line = new StringBuilder();
        for (Object word : words) {
            line.append(line.isEmpty() ? "" : "\t").append(word);
        }
        synchronized (System.out) {
            System.out.println(line);
            System.out.flush();
        }
    }

    private static String errors(Iterable<Attempt> attempts) {
        StringBuilder names = new StringBuilder();
        for (Attempt attempt : attempts) {
            if (!attempt.isSuccessful()) {
                names.append(names.isEmpty() ? "" : ",").append(attempt.getErrorCode());
            }
        }
        return names.toString();
    }

    private static final class Outcome implements FutureCallback<UserRecordResult> {
        private final long number;

        Outcome(long number) {
            this.number = number;
        }

        @Override
        public void onSuccess(UserRecordResult result) {
            tell("ok", number, result.getShardId(), result.getSequenceNumber(), errors(result.getAttempts()));
        }

        @Override
        public void onFailure(Throwable error) {
            tell("failed", number, error instanceof UserRecordFailedException failed
                ? failed.getResult().getAttempts().stream().map(attempt -> attempt.getErrorCode() + ": " + attempt.getErrorMessage())
                    .distinct().collect(Collectors.joining("; ")).replace('\n', ' ')
                : error.toString());
        }
    }

    public static void main(String[] arguments) throws Exception {
        Map<String, String> given = new HashMap<>();
        for (String argument : arguments) {
            String[] pair = argument.split("=", 2);
            given.put(pair[0], pair[1]);
        }
        Path authority = Path.of(given.get("authority"));
        KinesisProducerConfiguration configuration = new KinesisProducerConfiguration()
            .setRegion(System.getenv("AWS_REGION"))
            .setCredentialsProvider(DefaultCredentialsProvider.create())
            .setKinesisEndpoint("127.0.0.1").setKinesisPort(Long.parseLong(given.get("port")))
            .setCloudwatchEndpoint("127.0.0.1").setCloudwatchPort(Long.parseLong(given.get("port")))
            .setMetricsUploadDelay(1000)
            // The library looks for its authorities in a folder, and the file is one of them.
            .setCaCertPath(authority.getParent().toString()).setCaCertFile(authority.toString())
            .setRecordTtl(120_000).setRecordMaxBufferedTime(100);
        KinesisProducer producer = new KinesisProducer(configuration);
        long rate = Long.parseLong(given.get("rate"));
        byte[] padding = " ".repeat(Integer.parseInt(given.get("size"))).getBytes(StandardCharsets.UTF_8);
        int outstanding = Integer.parseInt(given.get("outstanding"));
        // A line, or the end of whoever started this.
        AtomicBoolean isOver = new AtomicBoolean();
        Thread input = new Thread(() -> {
            try {
                System.in.read();
            } catch (IOException gone) {
                // As the end.
            }
            isOver.set(true);
        }, "input");
        input.setDaemon(true);
        input.start();
        long begun = System.nanoTime();
        long number = 0;
        while (!isOver.get()) {
            long due = (System.nanoTime() - begun) * rate / 1_000_000_000L;
            // The library itself never holds its user up: its manual says to ask how many it has.
            for (; number < due && producer.getOutstandingRecordsCount() < outstanding; number++) {
                byte[] text = Long.toString(number).getBytes(StandardCharsets.UTF_8);
                byte[] data = padding.clone();
                System.arraycopy(text, 0, data, 0, Math.min(text.length, data.length));
                var outcome = producer.addUserRecord(given.get("stream"), "key-" + number % 97, ByteBuffer.wrap(data));
                Futures.addCallback(outcome, new Outcome(number), MoreExecutors.directExecutor());
            }
            Thread.sleep(5);
        }
        producer.flushSync();
        tell("done", number);
        producer.destroy();
        System.exit(0);
    }
}

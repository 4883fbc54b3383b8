package compat;

import static compat.Report.ensure;
import static compat.Report.equal;
import static compat.Report.eventually;
import static compat.Report.recent;
import static compat.Report.refused;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Predicate;
import org.reactivestreams.Subscriber;
import org.reactivestreams.Subscription;
import software.amazon.awssdk.services.kinesis.model.ChildShard;
import software.amazon.awssdk.services.kinesis.model.Record;
import software.amazon.awssdk.services.kinesis.model.ResourceInUseException;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;
import software.amazon.awssdk.services.kinesis.model.ShardIteratorType;
import software.amazon.awssdk.services.kinesis.model.StartingPosition;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEvent;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardEventStream;
import software.amazon.awssdk.services.kinesis.model.SubscribeToShardResponseHandler;

/** SubscribeToShard, which only the asynchronous client has. */
final class Subscriptions {
    private static final StartingPosition OLDEST = StartingPosition.builder().type(ShardIteratorType.TRIM_HORIZON).build();

    private final Journey journey;
    private final Consumers consumers;

    Subscriptions(Journey journey, Consumers consumers) {
        this.journey = journey;
        this.consumers = consumers;
    }

    /** Takes one event after the other, as KCL does, until it has enough. */
    private static final class Taker implements Subscriber<SubscribeToShardEventStream> {
        private final Predicate<SubscribeToShardEvent> enough;
        final CompletableFuture<Void> done = new CompletableFuture<>();
        private Subscription subscription;

        Taker(Predicate<SubscribeToShardEvent> enough) {
            this.enough = enough;
        }

        @Override
        public void onSubscribe(Subscription subscription) {
            this.subscription = subscription;
            subscription.request(1);
        }

        @Override
        public void onNext(SubscribeToShardEventStream event) {
            if (done.isDone()) {
                return;
            }
            try {
                SubscribeToShardEvent pushed = (SubscribeToShardEvent) event;
                boolean ended = pushed.hasChildShards() && !pushed.childShards().isEmpty();
                // KCL asks for the same: a continuation or children, never both or neither.
                equal(pushed.continuationSequenceNumber() == null, ended);
                if (enough.test(pushed)) {
                    done.complete(null);
                    subscription.cancel();
                } else {
                    subscription.request(1);
                }
            } catch (Throwable problem) {
                done.completeExceptionally(problem);
                subscription.cancel();
            }
        }

        @Override
        public void onError(Throwable error) {
            done.completeExceptionally(error);
        }

        @Override
        public void onComplete() {
            done.complete(null);
        }
    }

    /** Hands over events until this was enough, or the subscription ends. */
    private void subscribe(String consumer, String shard, StartingPosition from, Predicate<SubscribeToShardEvent> enough) throws Exception {
        while (true) {
            Taker taker = new Taker(enough);
            AtomicReference<Throwable> failure = new AtomicReference<>();
            var handler = SubscribeToShardResponseHandler.builder()
                .onEventStream(events -> events.subscribe(taker))
                .onError(failure::set)
                .build();
            var call = journey.clients.async().subscribeToShard(r -> r.consumerARN(consumer).shardId(shard).startingPosition(from), handler);
            call.whenComplete((nothing, error) -> {
                if (error != null) {
                    taker.done.completeExceptionally(error);
                }
            });
            try {
                taker.done.get(60, TimeUnit.SECONDS);
                call.cancel(true);
                return;
            } catch (java.util.concurrent.ExecutionException error) {
                Throwable cause = error.getCause() instanceof CompletionException ? error.getCause().getCause() : error.getCause();
                if (!(cause instanceof ResourceInUseException)) {
                    throw cause instanceof Exception known ? known : error;
                }
                // The subscription before may not have ended yet where the server is.
                Thread.sleep(20);
            }
        }
    }

    private static StartingPosition after(String number) {
        return StartingPosition.builder().type(ShardIteratorType.AFTER_SEQUENCE_NUMBER).sequenceNumber(number).build();
    }

    void all() {
        journey.report.test("subscriptions", "begin anywhere, go on where they were", this::beginAnywhere);
        journey.report.test("subscriptions", "refused with the class of the error", () -> {
            String consumer = consumers.register(journey.arn(journey.create("refused", 1)), "reader");
            refused(ResourceNotFoundException.class, () -> subscribe(consumer, "shardId-000000000007", OLDEST, event -> true));
        });
        journey.report.test("subscriptions", "across splits and merges, with nothing lost or doubled", this::acrossReshards);
    }

    private void put(String name, int from, int to) throws Exception {
        for (int i = from; i < to; i++) {
            String data = "" + i;
            journey.client.putRecord(r -> r.streamName(name).partitionKey("k").data(Journey.bytes(data)));
            Thread.sleep(2);
        }
    }

    private record Some(List<Record> records, String next) {}

    private Some some(String consumer, StartingPosition from, int count) throws Exception {
        List<Record> found = new ArrayList<>();
        String[] next = {null};
        subscribe(consumer, Journey.FIRST, from, event -> {
            found.addAll(event.records());
            next[0] = event.continuationSequenceNumber();
            return found.size() >= count;
        });
        equal(found.size(), count);
        return new Some(found, next[0]);
    }

    private void beginAnywhere() throws Exception {
        String name = journey.create("pushed", 1);
        String consumer = consumers.register(journey.arn(name), "reader");
        put(name, 0, 5);
        Some early = some(consumer, OLDEST, 5);
        recent(early.records().get(0).approximateArrivalTimestamp());
        put(name, 5, 10);
        List<Record> late = some(consumer, after(early.next()), 5).records();
        equal(late.get(0).data().asUtf8String(), "5");
        StartingPosition at = StartingPosition.builder().type(ShardIteratorType.AT_SEQUENCE_NUMBER).sequenceNumber(late.get(2).sequenceNumber()).build();
        equal(some(consumer, at, 3).records().get(0).data().asUtf8String(), "7");
        at = StartingPosition.builder().type(ShardIteratorType.AT_TIMESTAMP).timestamp(late.get(1).approximateArrivalTimestamp()).build();
        equal(some(consumer, at, 4).records().get(0).data().asUtf8String(), "6");
        at = StartingPosition.builder().type(ShardIteratorType.LATEST).build();
        boolean[] pushed = {false};
        subscribe(consumer, Journey.FIRST, at, event -> {
            if (!pushed[0]) {
                pushed[0] = true;
                journey.clients.async().putRecord(r -> r.streamName(name).partitionKey("k").data(Journey.bytes("10")));
            }
            return event.records().stream().anyMatch(record -> record.data().asUtf8String().equals("10"));
        });
    }

    /** A consumer of a whole stream: it reads each shard once its parents have been read to their end. */
    private final class Walk {
        final String consumer;
        final Journey.Journal seen = new Journey.Journal();
        final Set<String> begun = new HashSet<>();
        final Set<String> ended = new HashSet<>();
        int subscriptions;
        Throwable failure;

        Walk(String consumer) {
            this.consumer = consumer;
        }

        synchronized void follow(String shard) {
            begun.add(shard);
            CompletableFuture.runAsync(() -> {
                try {
                    List<ChildShard> children = readToEnd(shard);
                    synchronized (this) {
                        ended.add(shard);
                        for (ChildShard child : children) {
                            if (ended.containsAll(child.parentShards()) && !begun.contains(child.shardId())) {
                                follow(child.shardId());
                            }
                        }
                    }
                } catch (Throwable problem) {
                    synchronized (this) {
                        failure = problem;
                    }
                }
            }, command -> new Thread(command).start());
        }

        private List<ChildShard> readToEnd(String shard) throws Exception {
            List<ChildShard> children = new ArrayList<>();
            StartingPosition[] from = {OLDEST};
            while (children.isEmpty()) {
                int[] events = {0};
                synchronized (this) {
                    subscriptions++;
                }
                subscribe(consumer, shard, from[0], event -> {
                    event.records().forEach(seen::add);
                    children.addAll(event.childShards());
                    if (children.isEmpty()) {
                        from[0] = after(event.continuationSequenceNumber());
                    }
                    // Begin anew now and then, as after five minutes.
                    return children.isEmpty() && ++events[0] == 5;
                });
            }
            return children;
        }
    }

    private void acrossReshards() throws Exception {
        String name = journey.create("fanned", 1);
        Walk walk = new Walk(consumers.register(journey.arn(name), "reader"));
        walk.follow(Journey.FIRST);
        Journey.Writer writer = journey.new Writer(name);
        eventually("the first shard was subscribed to anew, twice", () -> {
            synchronized (walk) {
                return walk.subscriptions > 2 || walk.failure != null;
            }
        });
        journey.split(name, journey.open(name).get(0));
        journey.split(name, journey.open(name).get(1));
        journey.merge(name, journey.open(name).get(0), journey.open(name).get(1));
        int written = writer.stop();
        eventually(written + " records are read", () -> {
            synchronized (walk) {
                if (walk.failure != null) {
                    throw new IllegalStateException(walk.failure);
                }
                return walk.seen.total() >= written && walk.ended.size() == 4;
            }
        });
        equal(walk.seen.total(), written);
        ensure(written > 0, "nothing was written");
    }
}

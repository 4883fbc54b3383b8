package compat;

import static compat.Report.equal;
import static compat.Report.eventually;
import static compat.Report.recent;
import static compat.Report.refused;

import java.util.ArrayList;
import java.util.List;
import software.amazon.awssdk.services.kinesis.KinesisClient;
import software.amazon.awssdk.services.kinesis.model.Consumer;
import software.amazon.awssdk.services.kinesis.model.ConsumerDescription;
import software.amazon.awssdk.services.kinesis.model.ConsumerStatus;
import software.amazon.awssdk.services.kinesis.model.ResourceInUseException;
import software.amazon.awssdk.services.kinesis.model.ResourceNotFoundException;

/** Consumers with throughput of their own. */
final class Consumers {
    private final Journey journey;
    private final Report report;
    private final KinesisClient client;

    Consumers(Journey journey) {
        this.journey = journey;
        report = journey.report;
        client = journey.client;
    }

    /** Makes a consumer and waits until it can be used. */
    String register(String stream, String name) throws Exception {
        Consumer made = client.registerStreamConsumer(r -> r.streamARN(stream).consumerName(name)).consumer();
        equal(made.consumerName(), name);
        recent(made.consumerCreationTimestamp());
        eventually(name + " is ACTIVE", () -> describe(made.consumerARN()).consumerStatus() == ConsumerStatus.ACTIVE);
        return made.consumerARN();
    }

    private ConsumerDescription describe(String arn) {
        return client.describeStreamConsumer(r -> r.consumerARN(arn)).consumerDescription();
    }

    void all() {
        report.test("consumers", "register, describe, list in pages, deregister", () -> {
            String stream = journey.arn(journey.create("consumed", 1));
            List<String> arns = new ArrayList<>();
            for (String name : List.of("a", "b", "c")) {
                arns.add(register(stream, name));
            }
            equal(describe(arns.get(0)).streamARN(), stream);
            var byName = client.describeStreamConsumer(r -> r.streamARN(stream).consumerName("b")).consumerDescription();
            equal(byName.consumerARN(), arns.get(1));
            List<String> names = new ArrayList<>();
            for (var page : client.listStreamConsumersPaginator(r -> r.streamARN(stream).maxResults(2))) {
                page.consumers().forEach(consumer -> names.add(consumer.consumerName()));
            }
            equal(names, List.of("a", "b", "c"));
            refused(ResourceInUseException.class, () -> client.registerStreamConsumer(r -> r.streamARN(stream).consumerName("a")));
            refused(ResourceInUseException.class, () -> client.deleteStream(r -> r.streamARN(stream)));
            client.deregisterStreamConsumer(r -> r.consumerARN(arns.get(0)));
            client.deregisterStreamConsumer(r -> r.streamARN(stream).consumerName("b"));
            eventually("one consumer is left", () -> journey.summary("consumed").consumerCount() == 1);
            refused(ResourceNotFoundException.class, () -> describe(arns.get(0)));
        });
        if (journey.clients.isAsync()) {
            new Subscriptions(journey, this).all();
        }
    }
}

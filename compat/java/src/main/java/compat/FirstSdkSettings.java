package compat;

import static compat.Report.equal;
import static compat.Report.eventually;
import static compat.Report.recent;
import static compat.Report.refused;

import com.amazonaws.services.kinesis.AmazonKinesis;
import com.amazonaws.services.kinesis.model.Consumer;
import com.amazonaws.services.kinesis.model.ConsumerDescription;
import com.amazonaws.services.kinesis.model.DeleteResourcePolicyRequest;
import com.amazonaws.services.kinesis.model.DeregisterStreamConsumerRequest;
import com.amazonaws.services.kinesis.model.DescribeStreamConsumerRequest;
import com.amazonaws.services.kinesis.model.DisableEnhancedMonitoringRequest;
import com.amazonaws.services.kinesis.model.EnableEnhancedMonitoringRequest;
import com.amazonaws.services.kinesis.model.GetResourcePolicyRequest;
import com.amazonaws.services.kinesis.model.ListStreamConsumersRequest;
import com.amazonaws.services.kinesis.model.ListStreamConsumersResult;
import com.amazonaws.services.kinesis.model.PutResourcePolicyRequest;
import com.amazonaws.services.kinesis.model.RegisterStreamConsumerRequest;
import com.amazonaws.services.kinesis.model.ResourceNotFoundException;
import com.amazonaws.services.kinesis.model.StartStreamEncryptionRequest;
import com.amazonaws.services.kinesis.model.StopStreamEncryptionRequest;
import com.amazonaws.services.kinesis.model.StreamModeDetails;
import com.amazonaws.services.kinesis.model.UpdateShardCountRequest;
import com.amazonaws.services.kinesis.model.UpdateStreamModeRequest;
import java.util.ArrayList;
import java.util.List;

/** What the SDK 1.x can set, and its consumers, with which it cannot subscribe. */
final class FirstSdkSettings {
    private final FirstSdk sdk;
    private final Report report;
    private final AmazonKinesis client;

    FirstSdkSettings(FirstSdk sdk) {
        this.sdk = sdk;
        report = sdk.report;
        client = sdk.client;
    }

    void all() {
        settings();
        report.test("reshards", "to a number of shards", () -> {
            String name = sdk.create("scaled", 2);
            for (int count : new int[] {4, 2}) {
                var update = new UpdateShardCountRequest().withStreamName(name).withTargetShardCount(count).withScalingType("UNIFORM_SCALING");
                equal(client.updateShardCount(update).getTargetShardCount(), count);
                sdk.active(name);
                equal(sdk.open(name).size(), count);
            }
        });
        report.test("consumers", "register, describe, list in pages, deregister", () -> {
            String stream = sdk.summary(sdk.create("consumed", 1)).getStreamARN();
            List<String> arns = new ArrayList<>();
            for (String name : List.of("a", "b", "c")) {
                Consumer made = client.registerStreamConsumer(new RegisterStreamConsumerRequest().withStreamARN(stream).withConsumerName(name)).getConsumer();
                recent(made.getConsumerCreationTimestamp().toInstant());
                eventually(name + " is ACTIVE", () -> describe(made.getConsumerARN()).getConsumerStatus().equals("ACTIVE"));
                arns.add(made.getConsumerARN());
            }
            List<String> names = new ArrayList<>();
            ListStreamConsumersResult page = client.listStreamConsumers(new ListStreamConsumersRequest().withStreamARN(stream).withMaxResults(2));
            page.getConsumers().forEach(consumer -> names.add(consumer.getConsumerName()));
            page = client.listStreamConsumers(new ListStreamConsumersRequest().withStreamARN(stream).withNextToken(page.getNextToken()));
            page.getConsumers().forEach(consumer -> names.add(consumer.getConsumerName()));
            equal(names, List.of("a", "b", "c"));
            client.deregisterStreamConsumer(new DeregisterStreamConsumerRequest().withConsumerARN(arns.get(0)));
            eventually("the consumer is gone", () -> sdk.summary("consumed").getConsumerCount() == 2);
            refused(ResourceNotFoundException.class, () -> describe(arns.get(0)));
        });
    }

    private void settings() {
        report.test("settings", "a resource policy", () -> {
            String arn = sdk.summary(sdk.create("shared", 1)).getStreamARN();
            String policy = Settings.POLICY.formatted(arn);
            client.putResourcePolicy(new PutResourcePolicyRequest().withResourceARN(arn).withPolicy(policy));
            equal(client.getResourcePolicy(new GetResourcePolicyRequest().withResourceARN(arn)).getPolicy(), policy);
            client.deleteResourcePolicy(new DeleteResourcePolicyRequest().withResourceARN(arn));
            equal(client.getResourcePolicy(new GetResourcePolicyRequest().withResourceARN(arn)).getPolicy(), "{}");
        });
        report.test("settings", "metrics of shards", () -> {
            String name = sdk.create("watched", 1);
            var on = client.enableEnhancedMonitoring(new EnableEnhancedMonitoringRequest().withStreamName(name).withShardLevelMetrics("IncomingBytes"));
            equal(on.getDesiredShardLevelMetrics(), List.of("IncomingBytes"));
            sdk.active(name);
            var off = client.disableEnhancedMonitoring(new DisableEnhancedMonitoringRequest().withStreamName(name).withShardLevelMetrics("ALL"));
            equal(off.getDesiredShardLevelMetrics(), List.of());
            sdk.active(name);
        });
        report.test("settings", "encryption", () -> {
            String name = sdk.create("sealed", 1);
            String key = "alias/aws/kinesis";
            client.startStreamEncryption(new StartStreamEncryptionRequest().withStreamName(name).withEncryptionType("KMS").withKeyId(key));
            sdk.active(name);
            equal(sdk.summary(name).getKeyId(), key);
            equal(sdk.put(name, "k", new byte[] {1}).getEncryptionType(), "KMS");
            client.stopStreamEncryption(new StopStreamEncryptionRequest().withStreamName(name).withEncryptionType("KMS").withKeyId(key));
            sdk.active(name);
            equal(sdk.readAll(name, FirstSdk.FIRST).get(0).getEncryptionType(), "KMS");
        });
        report.test("settings", "on demand", () -> {
            String name = sdk.create("elastic", 1);
            for (String mode : List.of("ON_DEMAND", "PROVISIONED")) {
                client.updateStreamMode(new UpdateStreamModeRequest().withStreamARN(sdk.summary(name).getStreamARN())
                    .withStreamModeDetails(new StreamModeDetails().withStreamMode(mode)));
                sdk.active(name);
                equal(sdk.summary(name).getStreamModeDetails().getStreamMode(), mode);
            }
        });
    }

    private ConsumerDescription describe(String arn) {
        return client.describeStreamConsumer(new DescribeStreamConsumerRequest().withConsumerARN(arn)).getConsumerDescription();
    }
}

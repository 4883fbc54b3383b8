package compat;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.net.URI;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import software.amazon.awssdk.auth.credentials.AwsBasicCredentials;
import software.amazon.awssdk.auth.credentials.StaticCredentialsProvider;
import software.amazon.awssdk.retries.DefaultRetryStrategy;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisClient;

/** The clients of the SDK 2.x at one endpoint, as a new user would make them. */
record Clients(String name, String endpoint, KinesisClient calls, KinesisAsyncClient async) {
    static Clients sync(String endpoint) {
        KinesisClient client = KinesisClient.builder().endpointOverride(URI.create(endpoint)).build();
        return new Clients("AWS SDK for Java 2.x", endpoint, client, null);
    }

    static Clients async(String endpoint) {
        KinesisAsyncClient client = KinesisAsyncClient.builder().endpointOverride(URI.create(endpoint)).build();
        return new Clients("AWS SDK for Java 2.x, asynchronous", endpoint, waitFor(client), client);
    }

    boolean isAsync() {
        return async != null;
    }

    /** The same kind of client, with another key. */
    KinesisClient withKey(String id, String secret) {
        var key = StaticCredentialsProvider.create(AwsBasicCredentials.create(id, secret));
        URI where = URI.create(endpoint);
        return isAsync()
            ? waitFor(KinesisAsyncClient.builder().endpointOverride(where).credentialsProvider(key).build())
            : KinesisClient.builder().endpointOverride(where).credentialsProvider(key).build();
    }

    /** The same kind of client, which tries everything once. */
    KinesisClient impatient() {
        URI where = URI.create(endpoint);
        var once = DefaultRetryStrategy.doNotRetry();
        return isAsync()
            ? waitFor(KinesisAsyncClient.builder().endpointOverride(where).overrideConfiguration(c -> c.retryStrategy(once)).build())
            : KinesisClient.builder().endpointOverride(where).overrideConfiguration(c -> c.retryStrategy(once)).build();
    }

    /** The synchronous interface over an asynchronous client, so that both go on the same journey. */
    private static KinesisClient waitFor(KinesisAsyncClient client) {
        InvocationHandler handler = (proxy, method, arguments) -> {
            if (method.getName().equals("close")) {
                client.close();
                return null;
            }
            boolean isRequest = arguments != null && arguments.length == 1
                && software.amazon.awssdk.services.kinesis.model.KinesisRequest.class.isAssignableFrom(arguments[0].getClass());
            if (!isRequest || method.getName().endsWith("Paginator")) {
                return InvocationHandler.invokeDefault(proxy, method, arguments);
            }
            try {
                var same = KinesisAsyncClient.class.getMethod(method.getName(), method.getParameterTypes());
                return ((CompletableFuture<?>) same.invoke(client, arguments)).join();
            } catch (CompletionException error) {
                throw error.getCause();
            } catch (InvocationTargetException error) {
                throw error.getCause();
            }
        };
        Class<?>[] interfaces = {KinesisClient.class};
        return (KinesisClient) Proxy.newProxyInstance(Clients.class.getClassLoader(), interfaces, handler);
    }
}

package compat;

import java.io.FileInputStream;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;

/**
 * The AWS SDKs for Java against a Kinesis server: a pass for each argument {@code RUN=ENDPOINT}, where the run's name says
 * which client. Key and region come from the environment variables of AWS, the certificate authority from COMPAT_CA.
 */
public final class Main {
    public static void main(String[] arguments) throws Exception {
        if (System.getenv("COMPAT_CA") != null) {
            trust(Path.of(System.getenv("COMPAT_CA")));
        }
        for (String argument : arguments) {
            String[] parts = argument.split("=", 2);
            Report report = new Report(parts[0]);
            switch (parts[0].replace("-tls", "")) {
                case "java2-sync" -> new Journey(report, Clients.sync(parts[1])).all();
                case "java2-async" -> new Journey(report, Clients.async(parts[1])).all();
                case "java1" -> new FirstSdk(report, parts[1]).all();
                default -> throw new IllegalArgumentException("no such run: " + argument);
            }
        }
        // Threads of clients that a test left open would keep the program from ending.
        System.exit(0);
    }

    /** As `keytool -importcert` and `-Djavax.net.ssl.trustStore` would. */
    private static void trust(Path authorities) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        try (InputStream pem = new FileInputStream(authorities.toFile())) {
            int count = 0;
            for (Certificate certificate : CertificateFactory.getInstance("X.509").generateCertificates(pem)) {
                store.setCertificateEntry("authority-" + count++, certificate);
            }
        }
        Path file = Files.createTempFile("compat", ".p12");
        file.toFile().deleteOnExit();
        try (var out = Files.newOutputStream(file)) {
            store.store(out, "changeit".toCharArray());
        }
        System.setProperty("javax.net.ssl.trustStore", file.toString());
        System.setProperty("javax.net.ssl.trustStorePassword", "changeit");
        System.setProperty("javax.net.ssl.trustStoreType", "PKCS12");
    }
}

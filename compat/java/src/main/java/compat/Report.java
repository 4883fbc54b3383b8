package compat;

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Objects;

/** What was tried, a line of JSON for each thing, and what a thing that is tried can expect. */
final class Report {
    private static final PrintStream OUT = new PrintStream(System.out, true, StandardCharsets.UTF_8);

    private final String run;
    String client = "";
    String version = "";

    Report(String run) {
        this.run = run;
    }

    interface Body {
        void run() throws Exception;
    }

    /** Tries one thing, which fails by throwing. */
    void test(String area, String name, Body body) {
        String detail = "";
        try {
            body.run();
        } catch (Throwable problem) {
            StringBuilder text = new StringBuilder();
            for (Throwable each = problem; each != null; each = each.getCause()) {
                text.append(each).append('\n');
                for (StackTraceElement at : each.getStackTrace()) {
                    if (at.getClassName().startsWith("compat.")) {
                        text.append("  at ").append(at).append('\n');
                    }
                }
            }
            detail = text.toString();
        }
        OUT.println("{\"client\":" + quoted(client) + ",\"version\":" + quoted(version) + ",\"run\":" + quoted(run)
            + ",\"area\":" + quoted(area) + ",\"test\":" + quoted(name) + ",\"ok\":" + detail.isEmpty()
            + ",\"detail\":" + quoted(detail) + "}");
    }

    private static String quoted(String text) {
        StringBuilder out = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') {
                out.append('\\').append(c);
            } else if (c < ' ') {
                out.append(String.format("\\u%04x", (int) c));
            } else {
                out.append(c);
            }
        }
        return out.append('"').toString();
    }

    static void ensure(boolean holds, Object what) {
        if (!holds) {
            throw new AssertionError(String.valueOf(what));
        }
    }

    static void equal(Object found, Object wanted) {
        ensure(Objects.equals(found, wanted), "found " + found + ", not " + wanted);
    }

    static void recent(Instant moment) {
        ensure(moment != null && Duration.between(moment, Instant.now()).abs().toMinutes() < 5, moment + " is not now");
    }

    interface Question {
        boolean ask() throws Exception;
    }

    static void eventually(String what, Question done) throws Exception {
        for (Instant end = Instant.now().plusSeconds(30); Instant.now().isBefore(end); Thread.sleep(20)) {
            if (done.ask()) {
                return;
            }
        }
        throw new AssertionError("in vain waited for: " + what);
    }

    /** The exception of this class that a call ends with. */
    static <E extends Exception> E refused(Class<E> kind, Body call) throws Exception {
        try {
            call.run();
        } catch (Exception error) {
            if (kind.isInstance(error)) {
                return kind.cast(error);
            }
            throw error;
        }
        throw new AssertionError("not refused with " + kind.getSimpleName());
    }

    static void says(String message, String wanted) {
        ensure(message.contains(wanted), message + " says nothing of " + wanted);
    }
}

package dev.holdover.machine;

import dev.holdover.linux.VmmException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;

/**
 * The threads in which the JVM compiles. What was rehearsed is compiled a while later, by threads that take the processors
 * from those for which a guest is then paused.
 */
final class Compilers {
    private static final Path THREADS = Path.of("/proc/self/task");
    /** As the kernel cuts the names of "C1 CompilerThread0" and "C2 CompilerThread0". */
    static final String NAME = " CompilerThre";

    /** So often in a row they are seen to sleep. */
    private static final int LOOKS = 3;

    private Compilers() {}

    /**
     * Waits until they have nothing to do, or for as long as is given; the guest runs meanwhile.
     *
     * @param millis at most
     */
    static void awaitRest(int millis) {
        long deadline = System.nanoTime() + millis * 1_000_000L;
        int asleep = 0;
        try {
            while (asleep < LOOKS && System.nanoTime() < deadline) {
                asleep = isAsleep() ? asleep + 1 : 0;
                TimeUnit.MILLISECONDS.sleep(1);
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new VmmException("interrupted before the guest was stopped");
        }
    }

    private static boolean isAsleep() {
        String[] threads = THREADS.toFile().list();
        for (String thread : threads == null ? new String[0] : threads) {
            String stat = stat(thread);
            int nameEnd = stat.lastIndexOf(')');
            if (nameEnd >= 0 && stat.substring(0, nameEnd).contains(NAME) && stat.charAt(nameEnd + 2) != 'S') {
                return false;
            }
        }
        return true;
    }

    /** Its line; empty if the thread has ended. */
    private static String stat(String thread) {
        try {
            return Files.readString(THREADS.resolve(thread).resolve("stat"), StandardCharsets.ISO_8859_1);
        } catch (IOException e) {
            return "";
        }
    }
}

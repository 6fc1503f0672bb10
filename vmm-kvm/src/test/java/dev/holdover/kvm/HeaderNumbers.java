package dev.holdover.kvm;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;

/** What a C compiler took from the kernel's headers: a line for each number, which src/test/layout/update writes. */
public final class HeaderNumbers {
    private final Map<String, Long> numbers = new HashMap<>();

    private HeaderNumbers() {}

    /** Reads a resource that lies beside a class. */
    public static HeaderNumbers read(Class<?> beside, String name) {
        HeaderNumbers read = new HeaderNumbers();
        try (InputStream in = beside.getResourceAsStream(name)) {
            String text = new String(in.readAllBytes(), StandardCharsets.US_ASCII);
            for (String line : text.lines().toList()) {
                int space = line.lastIndexOf(' ');
                read.numbers.put(line.substring(0, space), Long.decode(line.substring(space + 1)));
            }
        } catch (IOException e) {
            throw new AssertionError(name + " cannot be read", e);
        }
        return read;
    }

    /** Whether there is one of that name. */
    public boolean has(String name) {
        return numbers.containsKey(name);
    }

    /** The number of that name, which has to be there. */
    public long get(String name) {
        assertThat(numbers).containsKey(name);
        return numbers.get(name);
    }
}

package dev.holdover.cli;

import java.net.URISyntaxException;
import java.nio.file.Path;

/** The small guests that the tests boot. */
final class Guests {
    private Guests() {}

    static Path path(String name) {
        try {
            return Path.of(Guests.class.getResource("/guests/" + name).toURI());
        } catch (URISyntaxException e) {
            throw new AssertionError(e);
        }
    }
}

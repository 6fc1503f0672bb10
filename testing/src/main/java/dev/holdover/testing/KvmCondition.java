package dev.holdover.testing;

import java.io.FileInputStream;
import java.io.IOException;
import java.util.Optional;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.opentest4j.TestAbortedException;

/**
 * Skips a test if /dev/kvm cannot be opened.
 *
 * <p>It acts before each test and is not an ExecutionCondition, because that would skip a class or a parameterized method as
 * one. Reports then contain every test, so that those that ran elsewhere can be compared with those that were skipped here.
 */
final class KvmCondition implements BeforeEachCallback {
    private static final Optional<String> FAILURE = open();

    private static Optional<String> open() {
        try {
            new FileInputStream("/dev/kvm").close(); // never makes a file
            return Optional.empty();
        } catch (IOException e) {
            return Optional.of(e.getMessage()); // "/dev/kvm (No such file or directory)"
        }
    }

    @Override
    public void beforeEach(ExtensionContext context) {
        if (FAILURE.isPresent()) {
            throw new TestAbortedException(
                    "cannot open " + FAILURE.get() + ": lab/run tests runs this test in an emulated host");
        }
    }
}

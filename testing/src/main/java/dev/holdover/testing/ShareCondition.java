package dev.holdover.testing;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

/**
 * Skips test classes that another JVM of the same run has begun. A run that is shared names a directory in the environment
 * variable {@value #VARIABLE}; a JVM begins a class by making a directory of its name there (mkdir(2) fails for all others).
 * Without the variable it does nothing.
 */
final class ShareCondition implements ExecutionCondition {
    private static final String VARIABLE = "HOLDOVER_SHARED_RUN";

    /** By this {@code lab/run-tests} knows such a class from a test that is skipped. */
    private static final String REASON = "another JVM of this run has it";

    private static final ConcurrentMap<String, Boolean> BEGUN_HERE = new ConcurrentHashMap<>();

    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
        String directory = System.getenv(VARIABLE);
        if (directory == null
                || BEGUN_HERE.computeIfAbsent(
                        context.getRequiredTestClass().getName(), name -> begin(Path.of(directory, name)))) {
            return ConditionEvaluationResult.enabled("");
        }
        return ConditionEvaluationResult.disabled(REASON);
    }

    private static boolean begin(Path mark) {
        try {
            Files.createDirectory(mark);
            return true;
        } catch (FileAlreadyExistsException e) {
            return false;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}

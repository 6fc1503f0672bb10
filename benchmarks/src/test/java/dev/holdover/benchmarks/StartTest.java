package dev.holdover.benchmarks;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.holdover.linux.Patience;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The jar as it is installed: here, since tests of its own module run before it is made. */
class StartTest {
    private static final Path JAR = Path.of("../vmm-core/target/holdover.jar");

    @TempDir
    private Path dir;

    @Test
    void theFirstSystemCallGeneratesNoClassesForTheLinker() throws Exception {
        assumeTrue(Files.exists(JAR), "the jar is not made by a build that ends before 'package'");
        assumeTrue(Runtime.version().feature() == 25, "on a JDK other than 25 the linker is what there is");
        Path classes = dir.resolve("classes");
        Process vmm = new ProcessBuilder(
                        System.getProperty("java.home") + "/bin/java",
                        "-Xlog:disable",
                        "-Xlog:class+load:file=" + classes,
                        "-jar",
                        JAR.toString(),
                        "inspect",
                        dir.resolve("nothing").toString())
                .redirectErrorStream(true)
                .redirectOutput(dir.resolve("said").toFile())
                .start();
        assertThat(vmm.waitFor(Patience.host().seconds(60), TimeUnit.SECONDS)).isTrue();
        assertThat(dir.resolve("said")).content().contains("ENOENT");
        assertThat(classes)
                .content()
                .contains("dev.holdover.linux.EntryPoint ")
                .doesNotContain("jdk.internal.foreign.abi.BindingSpecializer", "jdk.internal.foreign.SystemLookup");
    }
}

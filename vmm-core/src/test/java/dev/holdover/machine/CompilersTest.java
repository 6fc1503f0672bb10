package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

class CompilersTest {
    /** What this JVM calls them is what is looked for. */
    @Test
    void thisJvmHasSome() throws IOException {
        List<String> names = new ArrayList<>();
        for (String thread : Path.of("/proc/self/task").toFile().list()) {
            names.add(Files.readString(Path.of("/proc/self/task", thread, "comm")));
        }
        assertThat(names).anyMatch(name -> name.contains(Compilers.NAME));
    }

    @Test
    @Timeout(60)
    void theyAreNotWaitedForWithoutEnd() {
        Compilers.awaitRest(0);
        Compilers.awaitRest(5_000);
    }
}

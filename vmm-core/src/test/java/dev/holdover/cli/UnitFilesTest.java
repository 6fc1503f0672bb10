package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What the packages install is what docs say. */
class UnitFilesTest {
    private static final Path TREE = Path.of("..");

    @Test
    void theUnitOfLuodIsThatOfItsPage() throws IOException {
        List<String> unit = Files.readAllLines(TREE.resolve("dist/systemd/luod.service"));
        assertThat(block(Files.readAllLines(TREE.resolve("docs/luod.md")), "    [Unit]"))
                .containsExactlyElementsOf(unit.subList(unit.indexOf("[Unit]"), unit.size()));
    }

    /** The indented lines from the first that is {@code start}, without their indentation. */
    private static List<String> block(List<String> page, String start) {
        List<String> block = new ArrayList<>();
        for (String line : page.subList(page.indexOf(start), page.size())) {
            if (!line.isEmpty() && !line.startsWith("    ")) {
                break;
            }
            block.add(line.isEmpty() ? line : line.substring(4));
        }
        while (block.getLast().isEmpty()) {
            block.removeLast();
        }
        return block;
    }
}

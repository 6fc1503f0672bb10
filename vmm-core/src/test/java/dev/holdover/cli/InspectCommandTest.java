package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import dev.holdover.machine.Machine;
import dev.holdover.machine.MachineBuilder;
import dev.holdover.machine.MachineConfig;
import dev.holdover.machine.SaveOptions;
import dev.holdover.memory.FdSets;
import dev.holdover.testing.NeedsKvm;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(value = 120, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class InspectCommandTest {
    private static final long COUNTER = 0x1000;
    private static final Path GUEST = Path.of("src/test/resources/guests/count.bin");

    @TempDir
    Path dir;

    private Path ram;
    private Path state;

    /** What the command printed and returned. */
    private record Result(int code, String out, String err) {}

    @BeforeEach
    void paths() throws IOException {
        ram = Files.createTempFile(Path.of("/dev/shm"), "holdover-test", ".ram");
        state = dir.resolve("state");
    }

    @AfterEach
    void removeRam() throws IOException {
        Files.deleteIfExists(ram);
    }

    private void save(String name, String ramOption, boolean keep) throws Exception {
        Path disk = dir.resolve("disk");
        Files.write(disk, new byte[1 << 20]);
        MachineConfig config = MachineBuilder.firmware(GUEST)
                .name(name)
                .memory("16M")
                .ram(ramOption)
                .cpus(2)
                .serial("null")
                .console("file:" + dir.resolve("console"))
                .disk("path=" + disk + ",readonly=on")
                .rng()
                .debugExit(0xf4)
                .config();
        try (FdSets fdsets = new FdSets();
                Machine machine = new Machine(config, fdsets)) {
            machine.resume();
            while (machine.memory().getInt(COUNTER) < 3) {
                TimeUnit.MILLISECONDS.sleep(1);
            }
            machine.save(state.toString(), new SaveOptions(keep, false));
        }
    }

    private static Result inspect(Path path, String... options) {
        PrintStream out = System.out;
        PrintStream err = System.err;
        ByteArrayOutputStream printed = new ByteArrayOutputStream();
        ByteArrayOutputStream complained = new ByteArrayOutputStream();
        List<String> args = new ArrayList<>(List.of("inspect", path.toString()));
        args.addAll(List.of(options));
        System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(complained, true, StandardCharsets.UTF_8));
        try {
            int code = Main.execute(args.toArray(new String[0]));
            return new Result(
                    code, printed.toString(StandardCharsets.UTF_8), complained.toString(StandardCharsets.UTF_8));
        } finally {
            System.setOut(out);
            System.setErr(err);
        }
    }

    @NeedsKvm
    @Test
    void showsAStateOnEightyColumns() throws Exception {
        save("web1", "mem-path=" + ram, true);
        Result result = inspect(state);
        assertThat(result.err()).isEmpty();
        assertThat(result.code()).isZero();
        assertThat(result.out())
                .contains("x86-64", "web1", "kept in place", ram.toString(), "generation 1", "proof samples")
                .contains("vCPU 0", "vCPU 1", "not started", "real mode", "RIP", "CR0", "uart16550 0", "virtio-mmio 2")
                .contains("Timeline", "from 2", "guest paused", "state written", "monotonic");
        // Paths are not cut, all else fits.
        assertThat(result.out().lines().filter(line -> !line.contains("/")))
                .allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
    }

    @NeedsKvm
    @Test
    void saysHowMuchRamWasCopied() throws Exception {
        save("", null, false);
        assertThat(inspect(state).out()).contains("copied", "pages 4 KiB").doesNotContain("generation");
    }

    @NeedsKvm
    @Test
    void printsOneJsonObject() throws Exception {
        save("web1", "mem-path=" + ram, true);
        Result result = inspect(state, "--json");
        assertThat(result.code()).isZero();
        String rip = null;
        JsonFactory strict = JsonFactory.builder()
                .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                .build();
        try (JsonParser json = strict.createParser(result.out())) {
            assertThat(json.nextToken()).isEqualTo(JsonToken.START_OBJECT);
            while (json.nextToken() != null) {
                if (json.currentToken() == JsonToken.VALUE_STRING && "rip".equals(json.currentName()) && rip == null) {
                    rip = json.getText();
                }
            }
        }
        assertThat(rip).matches("0x[0-9a-f]{16}");
        assertThat(result.out())
                .contains("\"what\" : \"guest paused\"", "\"what\" : \"state written\"", "\"monotonic-ns\" : ");
    }

    /** Where a section begins: the header's length, then its table's entries; docs/vmstate.md. */
    private static int offsetOf(byte[] bytes, String section) {
        int name = new String(bytes, StandardCharsets.ISO_8859_1).indexOf(section + "\0");
        return (int) ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).getLong(name + 40);
    }

    @NeedsKvm
    @Test
    void namesTheDamagedSectionAndShowsTheOthers() throws Exception {
        save("web1", "mem-path=" + ram, true);
        byte[] bytes = Files.readAllBytes(state);
        bytes[offsetOf(bytes, "uart16550")] ^= 1;
        Files.write(state, bytes);
        for (String[] options : new String[][] {{}, {"--json"}}) {
            Result result = inspect(state, options);
            assertThat(result.code()).isEqualTo(1);
            assertThat(result.err()).contains("section uart16550 0 at offset").contains("is damaged");
            assertThat(result.err().lines()).hasSize(1);
            assertThat(result.out()).contains("damaged", "unmasked");
        }
    }

    @Test
    void whatIsNoStateIsRefusedByASentence() throws Exception {
        Result none = inspect(dir.resolve("none"));
        assertThat(none.code()).isEqualTo(1);
        assertThat(none.err()).contains("ENOENT");
        Result other = inspect(GUEST);
        assertThat(other.code()).isEqualTo(1);
        assertThat(other.err()).contains("not a state");
        assertThat(other.err().lines()).hasSize(1);
        assertThat(other.out()).isEmpty();
        assertThat(inspect(dir).err().lines()).hasSize(1);
    }

    @NeedsKvm
    @Test
    void textsInAStateDoNothingToTheTerminal() throws Exception {
        save("evil\u001b[2J\u202e\n", "mem-path=" + ram, true);
        Result result = inspect(state);
        assertThat(result.code()).isZero();
        assertThat(result.out()).contains("evil\\u{1b}[2J\\u{202e}\\u{a}");
    }

    @NeedsKvm
    @Test
    void neitherFlippedBitsNorCutsBringItDown() throws Exception {
        save("web1", "mem-path=" + ram, true);
        byte[] good = Files.readAllBytes(state);
        Random random = new Random(7);
        for (int i = 0; i < 150; i++) {
            byte[] bad = good.clone();
            if (i % 3 == 0) {
                bad = java.util.Arrays.copyOf(good, random.nextInt(good.length));
            } else {
                bad[random.nextInt(good.length)] ^= (byte) (1 << random.nextInt(8));
            }
            Files.write(state, bad);
            Result result = inspect(state);
            assertThat(result.code()).isEqualTo(1);
            assertThat(result.err()).isNotEmpty().doesNotContain("a bug of this VMM");
        }
    }
}

package dev.holdover.boot;

import dev.holdover.linux.VmmException;
import dev.holdover.platform.MemoryMap;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Whatever a file says, it is loaded or refused by a sentence; nothing else is ever thrown. */
class HostileImageTest {
    private static final List<Image> SEEDS = List.of(
            Image.bzImage().u64(0x258, 0x200000),
            Image.elf64(0x200000, 0xffffffff80200000L, 0x200000).pvhNote(0x200000, 8),
            Image.elf64(0x200000, 0xffffffff80200000L, 0x200000),
            Image.elf32(0x200000, 0x200000).multiboot(0x800, 0),
            new Image(0x400)
                    .multiboot(0x80, 1 << 16)
                    .u32(0x8c, 0x200080)
                    .u32(0x90, 0x200000)
                    .u32(0x9c, 0x200000));

    private static final int ROUNDS = 1500;

    @TempDir
    Path directory;

    @AutoClose
    private final TestGuest guest = new TestGuest(8 * MemoryMap.MIB);

    private boolean loads(Image image, String what) throws IOException {
        Path kernel = image.write(directory.resolve("kernel"));
        try {
            guest.boot(kernel);
            return true;
        } catch (VmmException e) {
            return false;
        } catch (RuntimeException e) {
            throw new AssertionError(what, e);
        }
    }

    @Test
    void cutAnywhere() throws IOException {
        for (int i = 0; i < SEEDS.size(); i++) {
            Image seed = SEEDS.get(i);
            if (!loads(seed, "whole")) {
                throw new AssertionError("seed " + i + " is refused");
            }
            for (int size = 0; size < seed.size(); size = size < 0x280 ? size + 1 : size + 251) {
                loads(seed.cut(size), "seed " + i + " cut to " + size);
            }
        }
    }

    @Test
    void damagedAnywhere() throws IOException {
        Random random = new Random(4711);
        byte[] extremes = {0, 1, 0x7f, (byte) 0x80, (byte) 0xff, (byte) 0xfe};
        int loaded = 0;
        for (int round = 0; round < ROUNDS; round++) {
            int i = round % SEEDS.size();
            Image image = SEEDS.get(i).copy();
            int many = 1 + random.nextInt(12);
            int at = random.nextInt(0x300);
            for (int n = 0; n < many; n++) {
                // runs of one byte make the extremes of wide fields
                at = random.nextInt(3) == 0 ? random.nextInt(0x300) : Math.min(at + 1, 0x300);
                image.u8(at, extremes[random.nextInt(extremes.length)]);
            }
            loaded += loads(image, "round " + round) ? 1 : 0;
        }
        if (loaded == 0 || loaded == ROUNDS) {
            throw new AssertionError(loaded + " of " + ROUNDS + " were loaded: no test of anything");
        }
    }
}

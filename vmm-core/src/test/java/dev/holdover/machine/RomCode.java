package dev.holdover.machine;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/** A firmware image of a few bytes of real-mode code, which begins at 0xf000 of the segment that ends at 4 GiB. */
final class RomCode {
    /** The byte of the image where there is no code. */
    static final byte FILL = 0x2a;

    private static final int START = 0x1000; // before the image's end
    private static final int RESET_VECTOR = 0x10;
    private static final byte[] JUMP_TO_START = {(byte) 0xe9, 0x0d, (byte) 0xf0};

    private final ByteArrayOutputStream code = new ByteArrayOutputStream();

    RomCode bytes(int... bytes) {
        for (int b : bytes) {
            code.write(b);
        }
        return this;
    }

    /** The image, as a file. */
    Path write(Path directory, int size) throws IOException {
        byte[] image = new byte[size];
        Arrays.fill(image, FILL);
        System.arraycopy(code.toByteArray(), 0, image, size - START, code.size());
        System.arraycopy(JUMP_TO_START, 0, image, size - RESET_VECTOR, JUMP_TO_START.length);
        return Files.write(directory.resolve("rom-" + size), image);
    }
}

package dev.holdover.liveupdate;

import static dev.holdover.liveupdate.wire.LiveUpdateIoctl.LIVEUPDATE_SESSION_NAME_LENGTH;

import dev.holdover.json.Json;
import dev.holdover.linux.VmmException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * The session name of a client's id; it follows from the id alone, so that whoever comes after a kexec finds it.
 *
 * <p>An id of up to {@value #MAX_PLAIN} letters, digits and {@code . _ -} is its own name, except the names of others'
 * sessions. Any other is replaced by {@code ~} and the first 32 hexadecimal digits of its SHA-256. {@code ~} begins no
 * plain name, so no two ids meet by intent.
 */
public final class SessionName {
    /** luod's own. */
    public static final String LUOD = "luod-internal";

    private static final String SYSTEMD = "systemd";
    private static final int MAX_PLAIN = LIVEUPDATE_SESSION_NAME_LENGTH - 1;
    private static final int HASH_DIGITS = 32;
    /** Characters of the longest id: it has to fit into a line of the protocol with much room to spare. */
    private static final int MAX_ID = 1024;
    /** Of these, when they are escaped as JSON. */
    private static final int MAX_ESCAPED = 3072;

    private SessionName() {}

    /**
     * The name of the session that belongs to an id.
     *
     * @throws VmmException for an id that is empty, has more than 1024 characters, takes more
     *     than 3072 bytes in JSON, or is no Unicode text
     */
    public static String of(String id) {
        if (id.isEmpty() || id.length() > MAX_ID) {
            throw new VmmException("an id of " + id.length() + " characters: it has 1 to " + MAX_ID);
        }
        if (isPlain(id) && !id.equals(LUOD) && !id.equals(SYSTEMD)) {
            return id;
        }
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(id)) {
            throw new VmmException("an id that is no Unicode text");
        }
        int escaped = Json.write(id).length() - 2; // without the quotes
        if (escaped > MAX_ESCAPED) {
            throw new VmmException("an id that takes " + escaped + " bytes in JSON: it has at most " + MAX_ESCAPED);
        }
        try {
            byte[] hash = MessageDigest.getInstance("SHA-256").digest(id.getBytes(StandardCharsets.UTF_8));
            return "~" + HexFormat.of().formatHex(hash).substring(0, HASH_DIGITS);
        } catch (NoSuchAlgorithmException e) {
            throw new AssertionError(e); // every JDK has it
        }
    }

    private static boolean isPlain(String id) {
        for (int i = 0; i < id.length(); i++) {
            char c = id.charAt(i);
            boolean plain = (c >= 'a' && c <= 'z')
                    || (c >= 'A' && c <= 'Z')
                    || (c >= '0' && c <= '9')
                    || c == '.'
                    || c == '_'
                    || c == '-';
            if (!plain) {
                return false;
            }
        }
        return id.length() <= MAX_PLAIN;
    }

    /** Writes a name and its NUL; false if it does not fit or is empty. */
    static boolean write(String name, MemorySegment to) {
        byte[] bytes = name.getBytes(StandardCharsets.UTF_8);
        if (bytes.length == 0 || bytes.length > MAX_PLAIN || name.indexOf('\0') >= 0) {
            return false;
        }
        MemorySegment.copy(bytes, 0, to, ValueLayout.JAVA_BYTE, 0, bytes.length);
        to.set(ValueLayout.JAVA_BYTE, bytes.length, (byte) 0);
        return true;
    }

    /** Reads a name up to its NUL, or the field's end. */
    static String read(MemorySegment from) {
        int length = 0;
        while (length < LIVEUPDATE_SESSION_NAME_LENGTH && from.get(ValueLayout.JAVA_BYTE, length) != 0) {
            length++;
        }
        return new String(from.asSlice(0, length).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
    }
}

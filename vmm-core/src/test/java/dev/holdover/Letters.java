package dev.holdover;

import static org.assertj.core.api.Assertions.assertThat;

/** What the guest count.bin writes: the alphabet, round and round. */
public final class Letters {
    private Letters() {}

    /** It ran once at each time, and from where it was: no letter is out of turn. */
    public static void assertInTurn(String output) {
        String letters = output.replaceFirst("^[^a-z]*", "");
        for (int i = 1; i < letters.length(); i++) {
            char expected = letters.charAt(i - 1) == 'z' ? 'a' : (char) (letters.charAt(i - 1) + 1);
            assertThat(letters.charAt(i)).as("letter %s", i).isEqualTo(expected);
        }
    }
}

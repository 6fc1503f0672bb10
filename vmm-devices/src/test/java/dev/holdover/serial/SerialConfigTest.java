package dev.holdover.serial;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.UsageException;
import org.junit.jupiter.api.Test;

class SerialConfigTest {
    @Test
    void parsesEachKind() {
        assertThat(SerialConfig.parse("stdio")).isEqualTo(new SerialConfig.Stdio());
        assertThat(SerialConfig.parse("null")).isEqualTo(new SerialConfig.Null());
        assertThat(SerialConfig.parse("pty")).isEqualTo(new SerialConfig.Pty());
        assertThat(SerialConfig.parse("file:/tmp/a:b")).isEqualTo(new SerialConfig.File("/tmp/a:b"));
        assertThat(SerialConfig.parse("unix:s")).isEqualTo(new SerialConfig.Unix("s"));
    }

    @Test
    void refusesTheRestWithASentence() {
        assertThatThrownBy(() -> SerialConfig.parse("tcp:1"))
                .isInstanceOf(UsageException.class)
                .hasMessage("--serial tcp:1 is not known: use stdio, null, file:PATH, unix:PATH or pty");
        assertThatThrownBy(() -> SerialConfig.parse("file:"))
                .isInstanceOf(UsageException.class)
                .hasMessage("--serial file: needs a path: use file:PATH");
        assertThatThrownBy(() -> SerialConfig.parse("")).isInstanceOf(UsageException.class);
        assertThatThrownBy(() -> SerialConfig.parse("stdio:")).isInstanceOf(UsageException.class);
    }
}

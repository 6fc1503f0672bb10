package dev.holdover.memory;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ByteSizeTest {
    @ParameterizedTest
    @CsvSource({
        "0, 0",
        "256, 268435456",
        "256M, 268435456",
        "256m, 268435456",
        "4096B, 4096",
        "4K, 4096",
        "1.5G, 1610612736",
        "0.5K, 512",
        "0.3K, 307",
        "2.G, 2147483648",
        "1T, 1099511627776",
        "7E, 8070450532247928832",
        "8796093022207M, 9223372036853727232",
        "0x10, 16777216",
        "00012, 12582912",
    })
    void readsWhatQemuReads(String text, long bytes) {
        assertThat(ByteSize.parse(text, 'M')).isEqualTo(bytes);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "M",
                ".",
                ".5G",
                "-1",
                "+1",
                " 1",
                "1 ",
                "1.2.3",
                "1e3",
                "256MB",
                "256MiB",
                "abc",
                "8E",
                "0x",
                "0x10G",
                "0xg",
                "-0x10",
                "8796093022208M",
                "99999999999999999999999999999999999999999999",
                "１M"
            })
    void refusesWhatIsNoSize(String text) {
        assertThat(ByteSize.parse(text, 'M')).isEqualTo(-1);
    }

    @Test
    void printsExactly() {
        assertThat(ByteSize.text(0)).isEqualTo("0 bytes");
        assertThat(ByteSize.text(4097)).isEqualTo("4097 bytes");
        assertThat(ByteSize.text(256L << 20)).isEqualTo("256 MiB");
        assertThat(ByteSize.text((1L << 30) + (1 << 20))).isEqualTo("1025 MiB");
        assertThat(ByteSize.text(1L << 50)).isEqualTo("1024 TiB");
    }
}

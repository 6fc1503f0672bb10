package dev.holdover.pci;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class MsiTest {
    private final RecordedVectors listener = new RecordedVectors();
    private final PciConfig config = new PciConfig(PciConfig.SIZE, TestFunction.ID);

    private void message(int capability, int data) {
        config.write(capability + 4, 4, 0xfee01000);
        config.write(capability + 12, 2, data);
    }

    @Test
    void isUsableOnceEnabled() {
        int at = config.addCapability(Msi.CAPABILITY, Msi.length(false));
        Msi msi = new Msi(config, at, 1, false, listener);
        message(at, 0x4123);
        assertThat(listener.taken()).isEmpty();
        msi.raise(0);
        config.write(at + 2, 2, 1);
        assertThat(listener.taken()).containsExactly("on", "0 is fee01000:4123", "settled");
        assertThat(msi.isEnabled()).isTrue();
        msi.raise(0);
        msi.raise(1);
        assertThat(listener.taken()).containsExactly("0 sends fee01000:4123");
        message(at, 0x4124);
        assertThat(listener.taken()).containsExactly("0 is fee01000:4124", "settled");
        config.write(at + 2, 2, 0);
        assertThat(listener.taken()).containsExactly("0 masked", "off", "settled");
        assertThat(config.get(at + 2, 2)).as("64 bits, one vector").isEqualTo(0x80);
    }

    @Test
    void givesAsManyVectorsAsTheGuestGrants() {
        int at = config.addCapability(Msi.CAPABILITY, Msi.length(true));
        Msi msi = new Msi(config, at, 8, true, listener);
        assertThat(config.get(at + 2, 2)).isEqualTo(0x180 | 3 << 1);
        message(at, 0x40);
        config.write(at + 16, 4, 0xff02);
        assertThat(config.get(at + 16, 4)).as("bits of vectors").isEqualTo(2);
        config.write(at + 2, 2, 1 | 1 << 4);
        assertThat(listener.taken()).containsExactly("on", "0 is fee01000:40", "settled");
        msi.raise(1);
        msi.raise(2);
        assertThat(config.get(at + 20, 4)).isEqualTo(2);
        config.write(at + 16, 4, 0);
        assertThat(listener.taken()).containsExactly("1 is fee01000:41", "1 sends fee01000:41", "settled");
        assertThat(config.get(at + 20, 4)).isZero();
        config.write(at + 2, 2, 1 | 7 << 4);
        assertThat(listener.taken())
                .as("no more than it has")
                .contains("7 is fee01000:47")
                .hasSize(9);
        msi.raise(7);
        assertThat(listener.taken()).containsExactly("7 sends fee01000:47");
    }
}

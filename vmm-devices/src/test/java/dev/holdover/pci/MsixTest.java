package dev.holdover.pci;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class MsixTest {
    private static final int ON = 0x8000;
    private static final int ALL_MASKED = 0x4000;
    private static final long ADDRESS = 0xfee00000L;

    private final RecordedVectors listener = new RecordedVectors();
    private final PciConfig config = new PciConfig(PciConfig.SIZE, TestFunction.ID);
    private final int capability = config.addCapability(Msix.CAPABILITY, Msix.LENGTH);
    private final Msix msix = new Msix(config, capability, new Msix.Place(70, 1, 0x1000, 1, 0x1800), listener);

    private void control(int value) {
        config.write(capability + 2, 2, value);
    }

    private void entry(int vector, int data, int masked) {
        long at = 0x1000 + 16L * vector;
        msix.write(1, at, 4, ADDRESS);
        msix.write(1, at + 4, 4, 0);
        msix.write(1, at + 8, 4, data);
        msix.write(1, at + 12, 4, masked);
    }

    @Test
    void saysWhereItIs() {
        assertThat(config.get(PciConfig.STATUS, 2) & 0x10).isNotZero();
        assertThat(config.get(PciConfig.CAPABILITIES, 1)).isEqualTo(0x40);
        assertThat(config.get(0x40, 4)).isEqualTo(69 << 16 | 0x11);
        assertThat(config.get(0x44, 4)).isEqualTo(0x1001);
        assertThat(config.get(0x48, 4)).isEqualTo(0x1801);
        assertThat(msix.covers(1, 0xfff)).isFalse();
        assertThat(msix.covers(1, 0x1000)).isTrue();
        assertThat(msix.covers(1, 0x1000 + 70 * 16 - 1)).isTrue();
        assertThat(msix.covers(1, 0x1000 + 70 * 16)).isFalse();
        assertThat(msix.covers(1, 0x180f)).isTrue();
        assertThat(msix.covers(1, 0x1810)).isFalse();
        assertThat(msix.covers(0, 0x1000)).isFalse();
        control(0xffff);
        assertThat(config.get(0x42, 2)).as("the number of vectors stays").isEqualTo(0xc000 | 69);
    }

    @Test
    void beginsWithAllVectorsMasked() {
        assertThat(msix.read(1, 0x1000 + 16 * 69 + 12, 4)).isEqualTo(1);
        control(ON);
        assertThat(listener.taken()).containsExactly("on", "settled");
        msix.raise(69);
        assertThat(listener.taken()).isEmpty();
        assertThat(msix.read(1, 0x1808, 8)).isEqualTo(1 << 5);
    }

    @Test
    void tellsOfAVectorOnceItIsUsable() {
        entry(3, 0x41, 0);
        assertThat(listener.taken()).as("not enabled").isEmpty();
        control(ON | ALL_MASKED);
        assertThat(listener.taken()).containsExactly("on", "settled");
        control(ON);
        assertThat(listener.taken()).containsExactly("3 is fee00000:41", "settled");
        msix.write(1, 0x1000 + 48 + 8, 4, 0x42);
        assertThat(listener.taken()).as("changed while it is usable").containsExactly("3 is fee00000:42", "settled");
        msix.write(1, 0x1000 + 48 + 8, 4, 0x42);
        assertThat(listener.taken()).as("nothing changed").isEmpty();
        msix.write(1, 0x1000 + 48 + 12, 4, -1);
        assertThat(listener.taken()).containsExactly("3 masked", "settled");
        assertThat(msix.read(1, 0x1000 + 48 + 12, 4)).as("reserved bits").isEqualTo(1);
    }

    @Test
    void tellsOfManyAtOnce() {
        entry(0, 1, 0);
        entry(1, 2, 0);
        entry(2, 3, 1);
        control(ON);
        assertThat(listener.taken()).containsExactly("on", "0 is fee00000:1", "1 is fee00000:2", "settled");
        control(0);
        assertThat(listener.taken()).containsExactly("0 masked", "1 masked", "off", "settled");
    }

    @Test
    void keepsWhatIsRaisedWhileMasked() {
        entry(5, 0x50, 0);
        control(ON);
        listener.taken();
        msix.raise(5);
        assertThat(listener.taken()).containsExactly("5 sends fee00000:50");
        msix.write(1, 0x1000 + 80 + 12, 4, 1);
        msix.raise(5);
        msix.raise(5);
        assertThat(listener.taken()).containsExactly("5 masked", "settled");
        assertThat(msix.read(1, 0x1800, 8)).isEqualTo(1 << 5);
        msix.write(1, 0x1800, 8, 0);
        assertThat(msix.read(1, 0x1800, 8)).as("only read").isEqualTo(1 << 5);
        msix.write(1, 0x1000 + 80 + 12, 4, 0);
        assertThat(listener.taken()).containsExactly("5 is fee00000:50", "5 sends fee00000:50", "settled");
        assertThat(msix.read(1, 0x1800, 8)).isZero();

        control(ON | ALL_MASKED);
        msix.raise(5);
        assertThat(listener.taken()).containsExactly("5 masked", "settled");
        control(ON);
        assertThat(listener.taken()).containsExactly("5 is fee00000:50", "5 sends fee00000:50", "settled");
    }

    @Test
    void forgetsWhatIsPendingWhenItIsSwitchedOff() {
        control(ON);
        msix.raise(5);
        control(0);
        msix.raise(6);
        control(ON);
        assertThat(msix.read(1, 0x1800, 8)).isZero();
    }

    @Test
    void showsWhatOnlyTheFunctionSeesPending() {
        listener.waiting = 8;
        assertThat(msix.read(1, 0x1801, 1)).as("off").isZero();
        control(ON);
        assertThat(msix.read(1, 0x1801, 1)).isEqualTo(1);
        entry(8, 1, 0);
        assertThat(msix.read(1, 0x1801, 1)).as("it gets through").isZero();
    }

    @Test
    void goesOnWhereItWasSaved() {
        entry(0, 0x30, 0);
        entry(1, 0x31, 1);
        control(ON);
        msix.raise(1);
        PciConfigState saved = config.state();
        MsixState vectors = msix.state();

        RecordedVectors other = new RecordedVectors();
        PciConfig config2 = new PciConfig(PciConfig.SIZE, TestFunction.ID);
        int at = config2.addCapability(Msix.CAPABILITY, Msix.LENGTH);
        Msix restored = new Msix(config2, at, msix.place(), other);
        assertThat(config2.mismatch(saved)).isNull();
        config2.restore(saved);
        assertThat(restored.mismatch(vectors)).isNull();
        restored.restore(vectors);
        assertThat(other.taken()).containsExactly("on", "settled", "0 is fee00000:30", "settled");
        restored.write(1, 0x1000 + 16 + 12, 4, 0);
        assertThat(other.taken()).containsExactly("1 is fee00000:31", "1 sends fee00000:31", "settled");
        restored.restore(vectors);
        assertThat(other.taken()).as("only what differs").containsExactly("1 masked", "settled");

        Msix smaller = new Msix(config2, at, new Msix.Place(69, 1, 0x1000, 1, 0x1800), other);
        assertThat(smaller.mismatch(vectors)).contains("70 MSI-X vectors", "69");
    }

    @Test
    void resets() {
        config.built();
        entry(0, 0x30, 0);
        control(ON);
        listener.taken();
        config.reset();
        msix.reset();
        assertThat(listener.taken()).containsExactly("0 masked", "off", "settled");
        assertThat(msix.read(1, 0x1000, 8)).isZero();
        assertThat(msix.read(1, 0x100c, 4)).isEqualTo(1);
    }
}

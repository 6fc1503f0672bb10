package dev.holdover.boot.acpi;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class AmlTest {
    /** Reads PkgLength as ACPI 6.5 §20.2.4 says. */
    private static int packageLength(byte[] aml) {
        int following = (aml[0] & 0xff) >> 6;
        if (following == 0) {
            return aml[0] & 0x3f;
        }
        assertThat(aml[0] & 0x30).as("reserved bits").isZero();
        int length = aml[0] & 0xf;
        for (int i = 0; i < following; i++) {
            length |= (aml[1 + i] & 0xff) << (4 + 8 * i);
        }
        return length;
    }

    @Test
    void countsAPackageWithItsLength() {
        int[] sizes = {0, 1, 61, 62, 63, 64, 4092, 4093, 4094, 4095, 1048571, 1048572, 1048573, 1048574};
        int[] prefixes = {1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4};
        for (int i = 0; i < sizes.length; i++) {
            byte[] aml = Aml.packaged(new byte[sizes[i]]);
            assertThat(aml).as("%d bytes", sizes[i]).hasSize(sizes[i] + prefixes[i]);
            assertThat(packageLength(aml)).isEqualTo(aml.length);
        }
    }

    @Test
    void writesIntegersInTheFewestBytes() {
        assertThat(Aml.integer(0)).containsExactly(0);
        assertThat(Aml.integer(1)).containsExactly(1);
        assertThat(Aml.integer(0xff)).containsExactly(0x0a, 0xff);
        assertThat(Aml.integer(0x100)).containsExactly(0x0b, 0, 1);
        assertThat(Aml.integer(0xffff)).containsExactly(0x0b, 0xff, 0xff);
        assertThat(Aml.integer(0xfec00000L)).containsExactly(0x0c, 0, 0, 0xc0, 0xfe);
    }

    @Test
    void compressesEisaIds() {
        assertThat(Aml.eisaId("PNP0501")).containsExactly(0x0c, 0x41, 0xd0, 0x05, 0x01);
        assertThat(Aml.eisaId("PNP0B00")).containsExactly(0x0c, 0x41, 0xd0, 0x0b, 0x00);
    }
}

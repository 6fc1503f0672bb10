package dev.holdover.boot.acpi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.holdover.boot.TestGuest;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.GuestMemory;
import dev.holdover.platform.MemoryMap;
import dev.holdover.platform.PciWindows;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AcpiTablesTest {
    @AutoClose
    private final TestGuest guest = new TestGuest(2 * MemoryMap.MIB);

    private final GuestMemory memory = guest.memory();

    private static AcpiConfig config(int cpus, int devices) {
        List<VirtioSlot> virtio = new ArrayList<>();
        for (int i = 0; i < devices; i++) {
            virtio.add(new VirtioSlot(MemoryMap.virtioMmio(i), MemoryMap.VIRTIO_MMIO_SIZE, MemoryMap.virtioGsi(i)));
        }
        return new AcpiConfig(cpus, virtio, null);
    }

    private String signature(long gpa) {
        return new String(memory.read(gpa, 4), StandardCharsets.US_ASCII);
    }

    private int length(long gpa) {
        return memory.getInt(gpa + 4);
    }

    private void sumIsZero(long gpa, int length) {
        int sum = 0;
        for (byte b : memory.read(gpa, length)) {
            sum += b;
        }
        assertThat(sum & 0xff).as("checksum of what lies at 0x%x", gpa).isZero();
    }

    /** Follows the pointers as an operating system does; returns the tables by signature. */
    private Map<String, Long> tables(AcpiConfig config) {
        long rsdp = AcpiTables.write(memory, config);
        assertThat(rsdp).isEqualTo(MemoryMap.RSDP);
        assertThat(new String(memory.read(rsdp, 8), StandardCharsets.US_ASCII)).isEqualTo("RSD PTR ");
        assertThat(memory.getByte(rsdp + 15)).isEqualTo((byte) 2);
        sumIsZero(rsdp, 20);
        sumIsZero(rsdp, memory.getInt(rsdp + 20));

        Map<String, Long> tables = new TreeMap<>();
        long xsdt = memory.getLong(rsdp + 24);
        long rsdt = memory.getInt(rsdp + 16);
        tables.put(signature(xsdt), xsdt);
        tables.put(signature(rsdt), rsdt);
        int entries = (length(xsdt) - 36) / 8;
        assertThat((length(rsdt) - 36) / 4).isEqualTo(entries);
        for (int i = 0; i < entries; i++) {
            long table = memory.getLong(xsdt + 36 + 8L * i);
            assertThat(memory.getInt(rsdt + 36 + 4L * i)).isEqualTo((int) table);
            tables.put(signature(table), table);
        }
        long fadt = tables.get("FACP");
        long dsdt = memory.getLong(fadt + 140);
        assertThat(memory.getInt(fadt + 40)).isEqualTo((int) dsdt);
        tables.put(signature(dsdt), dsdt);
        for (long table : tables.values()) {
            sumIsZero(table, length(table));
            assertThat(table + length(table)).isLessThanOrEqualTo(MemoryMap.ACPI_TABLES_END);
        }
        long facs = memory.getInt(fadt + 36);
        assertThat(facs % 64).isZero();
        assertThat(length(facs)).isEqualTo(64);
        tables.put(signature(facs), facs);
        return tables;
    }

    @Test
    void allAreFoundAndWhole() {
        assertThat(tables(config(2, 3)).keySet()).containsExactly("APIC", "DSDT", "FACP", "FACS", "RSDT", "XSDT");
    }

    private static AcpiConfig withPci(int slots, int addressBits) {
        List<PciRoot.Interrupt> interrupts = new ArrayList<>();
        for (int slot = 1; slot <= slots; slot++) {
            interrupts.add(new PciRoot.Interrupt(slot, 16 + (slot - 1) % 8));
        }
        PciWindows windows = MemoryMap.pciWindows(3 * MemoryMap.GIB, addressBits);
        return new AcpiConfig(1, List.of(), new PciRoot(MemoryMap.PCI_ECAM, windows, interrupts));
    }

    /** Where these bytes are in a table, and nowhere else there. */
    private long find(long table, String hex) {
        String all = HexFormat.of().formatHex(memory.read(table, length(table)));
        String wanted = hex.replace(" ", "");
        int at = all.indexOf(wanted);
        assertThat(at).as(hex).isNotNegative().isEven().isEqualTo(all.lastIndexOf(wanted));
        return table + at / 2;
    }

    @Test
    void tellsOfThePciBusOnlyWhereThereIsOne() {
        Map<String, Long> tables = tables(withPci(31, 40));
        assertThat(tables.keySet()).containsExactly("APIC", "DSDT", "FACP", "FACS", "MCFG", "RSDT", "XSDT");
        long mcfg = tables.get("MCFG");
        assertThat(length(mcfg)).isEqualTo(60);
        assertThat(memory.getLong(mcfg + 44)).isEqualTo(0xdff00000L);
        assertThat(memory.getLong(mcfg + 52)).as("segment and buses").isZero();

        long dsdt = tables.get("DSDT");
        find(dsdt, "08 5f484944 0c 41d00a08 08 5f434944 0c 41d00a03"); // _HID PNP0A08, _CID PNP0A03
        find(dsdt, "08 5f484944 0c 41d00c02"); // _HID PNP0C02
        find(dsdt, "86 09 00 01 0000f0df 00001000"); // Memory32Fixed of the ECAM
        find(dsdt, "88 0d 00 02 0c 00 0000 0000 0000 0000 0100"); // buses 0 to 0
        find(dsdt, "47 01 f80c f80c 01 08"); // 0xcf8 to 0xcff
        find(dsdt, "88 0d 00 01 0c 03 0000 0010 ffff 0000 00f0"); // ports 0x1000 to 0xffff
        find(dsdt, "87 17 00 00 0c 01 00000000 000000e0 ffffbffe 00000000 0000c01e");
        find(
                dsdt,
                "8a 2b 00 00 0c 01 0000000000000000 0000000001000000 ffffffffff000000"
                        + "0000000000000000 00000000ff000000"); // 4 GiB to 1 TiB
        find(dsdt, "0c ffff0100 00 00 0a10"); // device 1, INTA#, no source, GSI 16
        find(dsdt, "0c ffff1f00 00 00 0a16");
        assertThat(tables(withPci(1, 32))).containsKey("MCFG");
    }

    @Test
    void namesTheFixedRegisters() {
        long fadt = tables(config(1, 0)).get("FACP");
        assertThat(length(fadt)).isEqualTo(276);
        assertThat(memory.getShort(fadt + 46)).isEqualTo((short) 9);
        assertThat(memory.getInt(fadt + 48)).as("no SMI command port").isZero();
        assertThat(memory.getInt(fadt + 56)).isEqualTo(0x600);
        assertThat(memory.getInt(fadt + 64)).isEqualTo(0x604);
        assertThat(memory.getInt(fadt + 76)).isEqualTo(0x608);
        int flags = memory.getInt(fadt + 112);
        assertThat(flags & (1 << 4)).as("power button is fixed hardware").isZero();
        assertThat(flags & (1 << 10)).as("reset register").isNotZero();
        assertThat(flags & (1 << 20)).as("hardware-reduced").isZero();
        assertThat(memory.getByte(fadt + 116)).as("in I/O space").isEqualTo((byte) 1);
        assertThat(memory.getLong(fadt + 120)).isEqualTo(0x64);
        assertThat(memory.getByte(fadt + 128)).isEqualTo((byte) 0xfe);
        assertThat(memory.getLong(fadt + 152)).isEqualTo(0x600);
        assertThat(memory.getLong(fadt + 176)).isEqualTo(0x604);
        assertThat(memory.getLong(fadt + 212)).isEqualTo(0x608);
    }

    @Test
    void listsEveryCpuOnce() {
        for (int cpus : new int[] {1, 2, 255, 256, 300}) {
            long madt = tables(config(cpus, 0)).get("APIC");
            List<Integer> ids = new ArrayList<>();
            List<Integer> types = new ArrayList<>();
            long at = madt + 44;
            while (at < madt + length(madt)) {
                int type = memory.getByte(at);
                types.add(type);
                if (type == 0) {
                    ids.add(memory.getByte(at + 3) & 0xff);
                    assertThat(memory.getInt(at + 4)).isEqualTo(1);
                } else if (type == 9) {
                    ids.add(memory.getInt(at + 4));
                    assertThat(memory.getInt(at + 8)).isEqualTo(1);
                }
                at += memory.getByte(at + 1);
            }
            assertThat(at).isEqualTo(madt + length(madt));
            assertThat(ids)
                    .hasSize(cpus)
                    .doesNotHaveDuplicates()
                    .isSorted()
                    .last()
                    .isEqualTo(cpus - 1);
            assertThat(types).contains(1, 2, 4);
            assertThat(types.contains(0xa)).isEqualTo(cpus > 255);
        }
    }

    @Test
    void refusesMoreThanFits() {
        tables(config(1024, MemoryMap.MAX_VIRTIO_DEVICES));
        assertThatThrownBy(() -> AcpiTables.write(memory, config(10_000, 1)))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("fewer vCPUs or devices");
        try (TestGuest small = new TestGuest(512 * 1024)) {
            assertThatThrownBy(() -> AcpiTables.write(small.memory(), config(1, 0)))
                    .isInstanceOf(VmmException.class)
                    .hasMessageContaining("1 MiB of RAM");
        }
    }

    /** ACPICA's disassembler reads the tables; what it makes of the DSDT compiles again without an error. */
    @Test
    void acpicaUnderstandsThem(@TempDir Path directory) throws IOException, InterruptedException {
        assumeTrue(isInstalled("iasl"), "iasl is not installed (Debian: acpica-tools)");
        PciRoot pci = withPci(31, 40).pci();
        AcpiConfig devices = config(300, MemoryMap.MAX_VIRTIO_DEVICES);
        Map<String, Long> tables = tables(new AcpiConfig(300, devices.virtio(), pci));
        for (Map.Entry<String, Long> table : tables.entrySet()) {
            String name = table.getKey();
            Files.write(directory.resolve(name + ".dat"), memory.read(table.getValue(), length(table.getValue())));
            String output = run(directory, "iasl", "-d", name + ".dat");
            assertThat(output).doesNotContainIgnoringCase("error").doesNotContainIgnoringCase("warning");
        }
        String dsdt = Files.readString(directory.resolve("DSDT.dsl"));
        assertThat(dsdt)
                .contains("Device (COM1)", "Device (RTC)", "Device (VR00)", "Device (VR0F)", "EisaId (\"PNP0501\")")
                .contains("Device (PCI0)", "Device (ECAM)")
                .contains("Name (_S5", "0xD000F000")
                .doesNotContain("Unknown", "External");
        assertThat(run(directory, "iasl", "DSDT.dsl")).contains("0 Errors, 0 Warnings");
        assertThat(Files.readString(directory.resolve("APIC.dsl"))).doesNotContain("Unknown", "Invalid");
        assertThat(Files.readString(directory.resolve("FACP.dsl"))).doesNotContain("Unknown", "Invalid");
    }

    private static boolean isInstalled(String program) {
        for (String directory : System.getenv("PATH").split(File.pathSeparator, -1)) {
            if (Files.isExecutable(Path.of(directory, program))) {
                return true;
            }
        }
        return false;
    }

    private static String run(Path directory, String... command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command)
                .directory(directory.toFile())
                .redirectErrorStream(true)
                .start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        return output;
    }
}

package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.boot.BootConfig;
import dev.holdover.linux.UsageException;
import dev.holdover.memory.RamConfig;
import dev.holdover.serial.SerialConfig;
import dev.holdover.virtio.ConsoleConfig;
import dev.holdover.virtio.DiskConfig;
import dev.holdover.virtio.MacAddress;
import dev.holdover.virtio.NetConfig;
import dev.holdover.vmstate.SectionEntry;
import dev.holdover.vmstate.SectionView;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.List;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.statistics.Statistics;

/** A machine that is accepted at its start can be saved and restored: whatever its texts hold, however long they are. */
class ConfigRoundTripTest {
    private static Arbitrary<String> text(int most) {
        return Arbitraries.oneOf(
                Arbitraries.strings().ascii().excludeChars('\0', '/').ofMaxLength(40),
                Arbitraries.strings().withCharRange('0', '~').ofMaxLength(most),
                Arbitraries.strings()
                        .withChars('x', '\u00e9', '\u20ac')
                        .ofMinLength(most / 4)
                        .ofMaxLength(most));
    }

    private static Arbitrary<String> path() {
        return text(5_000).map(name -> "/" + name);
    }

    private static Arbitrary<BootSource> boot() {
        Arbitrary<BootSource> kernel = Combinators.combine(path(), path().injectNull(0.5), text(66_000))
                .as((image, initrd, commandLine) -> new BootSource.KernelImage(
                        new BootConfig(Path.of(image), initrd == null ? null : Path.of(initrd), commandLine)));
        return Arbitraries.oneOf(kernel, path().map(image -> new BootSource.Firmware(Path.of(image))));
    }

    @Provide
    static Arbitrary<MachineConfig> machines() {
        Arbitrary<RamConfig> ram =
                path().map(path -> new RamConfig(RamConfig.Backend.FILE, 16 << 20, path, true, 0, false, false));
        Arbitrary<List<DiskConfig>> disks = Combinators.combine(path(), Arbitraries.of(true, false))
                .as(DiskConfig::raw)
                .list()
                .ofMaxSize(70);
        Arbitrary<List<NetConfig>> nets = text(20).map(tap -> new NetConfig(tap, new MacAddress(0x020000000001L)))
                .list()
                .ofMaxSize(70);
        Arbitrary<ConsoleConfig> console =
                path().<ConsoleConfig>map(ConsoleConfig.File::new).injectNull(0.5);
        Arbitrary<SerialConfig> serial = Arbitraries.oneOf(
                Arbitraries.<SerialConfig>just(new SerialConfig.Null()), path().map(SerialConfig.File::new));
        return Combinators.combine(text(5_000), ram, boot(), serial, console, disks, nets, Arbitraries.of(true, false))
                .as((name, memory, source, port, output, images, cards, pci) -> new MachineConfig(
                        name, memory, 1, source, port, output, images, cards, true, pci, List.of(), -1, false));
    }

    @Property(tries = 300)
    void whatIsAcceptedIsReadBack(@ForAll("machines") MachineConfig config) {
        try {
            ConfigCodec.requireSavable(config);
        } catch (UsageException e) {
            Statistics.collect("refused");
            return;
        }
        Statistics.collect("accepted");
        MemorySegment bytes = ConfigCodec.encode(config);
        assertThat(bytes.byteSize()).as("bytes, of at most 1 MiB").isLessThanOrEqualTo(1 << 20);
        SectionEntry entry = new SectionEntry("config", 0, 1, 0, bytes.byteSize(), 0);
        MachineConfig read =
                ConfigCodec.decode(ConfigCodec.version(config), new SectionView("a state", entry, bytes).input());
        assertThat(read).isEqualTo(config);
    }
}

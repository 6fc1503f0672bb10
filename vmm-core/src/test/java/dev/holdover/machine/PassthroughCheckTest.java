package dev.holdover.machine;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.machine.Finding.Grade;
import dev.holdover.testing.FakeHost;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Hosts of few and of many devices, in a directory. */
class PassthroughCheckTest {
    @TempDir
    private Path root;

    private FakeHost host;

    @BeforeEach
    void makeHost() throws IOException {
        host = new FakeHost(root);
    }

    private List<Finding> findings() {
        return new PassthroughCheck(root).run();
    }

    private Finding finding(String subject) {
        return findings().stream()
                .filter(finding -> finding.subject().equals(subject))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void saysOneThingWithoutAnIommu() throws IOException {
        host.device("0000:00:04.0", "0x010802", "nvme", null);
        host.delete("dev/iommu");
        assertThat(findings()).singleElement().satisfies(finding -> {
            assertThat(finding.grade()).isEqualTo(Grade.LIMITED);
            assertThat(finding.text()).contains("no device is behind an IOMMU");
            assertThat(finding.advice()).contains("intel_iommu=on");
        });
    }

    @Test
    void saysTheSameWithoutPci() {
        assertThat(findings())
                .singleElement()
                .satisfies(finding -> assertThat(finding.subject()).isEqualTo("IOMMU"));
    }

    @Test
    void listsWhatIsBoundToVfio() throws IOException {
        host.device("0000:00:04.0", "0x010802", null, "1");
        host.vfio("0000:00:04.0", "vfio0");
        assertThat(finding("IOMMU").text()).isEqualTo("PCI devices behind it: 1, in groups: 1");
        assertThat(finding("iommufd").grade()).isEqualTo(Grade.OK);
        Finding passable = finding("device");
        assertThat(passable.grade()).isEqualTo(Grade.OK);
        assertThat(passable.text()).isEqualTo("0000:00:04.0 (8086:5845, storage) can be passed: --vfio 0000:00:04.0");
        host.device("0000:00:05.0", "0x020000", "e1000e", "1");
        Finding blocked = finding("device");
        assertThat(blocked.grade()).isEqualTo(Grade.LIMITED);
        assertThat(blocked.text())
                .isEqualTo(
                        "0000:00:04.0 (8086:5845, storage) is bound to VFIO, but it shares IOMMU group 1 with what the"
                                + " host uses, 0000:00:05.0 (e1000e)");
        assertThat(blocked.advice()).contains("unbind");
    }

    @Test
    void findsNoIommufdOnce() throws IOException {
        host.device("0000:00:04.0", "0x010802", "nvme", "1");
        host.delete("dev/iommu");
        assertThat(finding("iommufd").grade()).isEqualTo(Grade.LIMITED);
        assertThat(finding("iommufd").advice()).contains("modprobe iommufd");
        assertThat(findings())
                .filteredOn(finding -> finding.grade() != Grade.OK)
                .hasSize(1);
    }

    @Test
    void findsLittleLockedMemory() throws IOException {
        host.device("0000:00:04.0", "0x010802", "nvme", "1");
        host.lockedMemory("8388608", 0);
        assertThat(finding("locked memory").text()).contains("RLIMIT_MEMLOCK is 8 MiB");
        host.lockedMemory("8388608", -1);
        assertThat(findings()).extracting(Finding::subject).doesNotContain("locked memory");
    }

    @Test
    void staysShortOnABigHost() throws IOException {
        for (int i = 0; i < 100; i++) {
            String address = String.format("0000:%02x:%02x.0", 0x10 + i / 32, i % 32);
            if (i < 60) {
                host.device(address, "0x088000", i % 2 == 0 ? null : "ioatdma", Integer.toString(i));
            } else if (i < 80) {
                host.device(address, "0x020000", "ixgbe", Integer.toString(i));
            } else {
                host.device(address, "0x0c0330", "xhci_hcd", Integer.toString(i & ~1));
            }
        }
        host.device("0000:00:01.0", "0x060400", "pcieport", "60");
        assertThat(finding("IOMMU").text()).isEqualTo("PCI devices behind it: 101, in groups: 90");
        assertThat(finding("other devices").text())
                .startsWith("80 could be passed once bound to vfio-pci: 0000:11:1c.0 (network, ixgbe), ")
                .endsWith(" and 74 more");
        assertThat(finding("other devices").advice()).contains("echo 0000:11:1c.0 > ");
        assertThat(finding("shared groups").text())
                .startsWith(
                        "20 devices share their group with others that the host uses: group 80 (xhci_hcd), group 82 (")
                .endsWith(" and 4 more");
        assertThat(findings())
                .hasSize(4)
                .allSatisfy(finding -> assertThat(finding.text().length()).isLessThan(400));
    }
}

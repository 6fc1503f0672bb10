package dev.holdover.passthrough;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.UsageException;
import dev.holdover.passthrough.HostPciDevice.Member;
import dev.holdover.testing.FakeHost;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A host on which one device can be passed; then each obstacle for itself. */
class HostPciDeviceTest {
    private static final String NVME = "0000:00:04.0";

    @TempDir
    private Path root;

    private FakeHost host;

    @BeforeEach
    void makeHost() throws IOException {
        host = new FakeHost(root);
        host.device(NVME, "0x010802", null, "1");
        host.vfio(NVME, "vfio0");
    }

    private HostPciDevice nvme() {
        return HostPciDevice.find(root, NVME);
    }

    private void blocked(String what, String advice) {
        assertThat(nvme().whyNotPassable())
                .startsWith("0000:00:04.0 cannot be passed to a guest: ")
                .contains(what, advice);
    }

    @ParameterizedTest
    @ValueSource(strings = {"0000:00:04.0", "00:04.0", "/dev/vfio/devices/vfio0"})
    void isFoundByEitherName(String name) {
        HostPciDevice device = HostPciDevice.find(root, name);
        assertThat(device.address()).isEqualTo(NVME);
        assertThat(device.vendor()).isEqualTo(0x8086);
        assertThat(device.device()).isEqualTo(0x5845);
        assertThat(device.classCode()).isEqualTo(0x010802);
        assertThat(device.driver()).isEqualTo("vfio-pci");
        assertThat(device.group()).isEqualTo("1");
        assertThat(device.members()).isEmpty();
        assertThat(device.vfioPath()).isEqualTo("/dev/vfio/devices/vfio0");
        assertThat(device.whyNotPassable(1L << 40)).isNull();
        assertThat(device).hasToString("0000:00:04.0 (8086:5845, storage)");
    }

    @Test
    void findsDomainsAndUpperCase() throws IOException {
        host.device("10000:e1:1f.7", "0x010802", null, "7");
        assertThat(HostPciDevice.find(root, "10000:E1:1F.7").address()).isEqualTo("10000:e1:1f.7");
        assertThat(HostPciDevice.all(root)).extracting(HostPciDevice::address).containsExactly(NVME, "10000:e1:1f.7");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "nvme0",
                "00:04",
                "00:04.8",
                "00:24.0",
                "0000:00:04.0/../../..",
                "../0000:00:04.0",
                "/dev/vfio/vfio",
                "/dev/vfio/devices/vfio0/..",
                "/dev/vfio/devices/vfio99999999"
            })
    void refusesOtherNames(String name) {
        assertThatThrownBy(() -> HostPciDevice.find(root, name))
                .isInstanceOf(UsageException.class)
                .hasMessageContaining("names no PCI device");
    }

    @Test
    void saysThatThereIsNone() {
        assertThatThrownBy(() -> HostPciDevice.find(root, "00:05.0"))
                .isInstanceOf(UsageException.class)
                .hasMessageContaining("no PCI device 0000:00:05.0");
        assertThatThrownBy(() -> HostPciDevice.find(root, "/dev/vfio/devices/vfio3"))
                .isInstanceOf(UsageException.class)
                .hasMessageContaining("no PCI device is behind /dev/vfio/devices/vfio3");
    }

    @Test
    void findsNoIommu() throws IOException {
        host.delete("sys/bus/pci/devices/" + NVME + "/iommu_group");
        blocked("no IOMMU group", "intel_iommu=on");
        assertThat(nvme().members()).isEmpty();
    }

    @Test
    void findsADriverOfTheHosts() throws IOException {
        host.bind(NVME, "nvme");
        blocked(
                "bound to the host's driver nvme",
                "modprobe vfio-pci; echo vfio-pci > /sys/bus/pci/devices/0000:00:04.0/driver_override;"
                        + " echo 0000:00:04.0 > /sys/bus/pci/devices/0000:00:04.0/driver/unbind;"
                        + " echo 0000:00:04.0 > /sys/bus/pci/drivers_probe");
    }

    @Test
    void findsNoDriver() throws IOException {
        host.bind(NVME, null);
        blocked("bound to no driver", "driver_override; echo 0000:00:04.0 > /sys/bus/pci/drivers_probe");
    }

    @Test
    void takesAnotherDriverOfVfio() throws IOException {
        host.bind(NVME, "mlx5_vfio_pci");
        assertThat(nvme().whyNotPassable()).isNull();
    }

    @Test
    void findsWhatTheHostUsesInTheGroup() throws IOException {
        host.device("0000:00:01.0", "0x060400", "pcieport", "1");
        host.device("0000:00:04.1", "0x020000", "pci-stub", "1");
        host.device("0000:00:04.2", "0x020000", "vfio-pci", "1");
        host.device("0000:00:04.3", "0x020000", null, "1");
        host.device("0000:00:05.0", "0x020000", "e1000e", "2");
        assertThat(nvme().members()).hasSize(4).noneMatch(Member::isHosts);
        assertThat(nvme().whyNotPassable()).isNull();
        host.bind("0000:00:04.1", "e1000e");
        host.bind("0000:00:04.3", "lpc_ich");
        blocked(
                "shares IOMMU group 1 with what the host uses, 0000:00:04.1 (e1000e), 0000:00:04.3 (lpc_ich):",
                "driver/unbind");
    }

    @Test
    void namesFewOfManyInTheGroup() throws IOException {
        for (int i = 0; i < 20; i++) {
            host.device(String.format("0000:01:%02x.0", i), "0x020000", "e1000e", "1");
        }
        blocked("0000:01:03.0 (e1000e) and 16 more:", "unbind");
    }

    @Test
    void findsABridge() throws IOException {
        host.write("sys/bus/pci/devices/" + NVME + "/class", "0x060400\n");
        blocked("it is a bridge", "behind it");
    }

    @Test
    void findsNoIommufd() throws IOException {
        host.delete("dev/iommu");
        blocked("no /dev/iommu", "CONFIG_IOMMUFD");
    }

    @Test
    void findsNoFileOfVfio() throws IOException {
        host.delete("dev/vfio/devices/vfio0");
        blocked("no file in /dev/vfio/devices", "CONFIG_VFIO_DEVICE_CDEV");
        host.delete("sys/bus/pci/devices/" + NVME + "/vfio-dev/vfio0");
        blocked("no file in /dev/vfio/devices", "CONFIG_VFIO_DEVICE_CDEV");
        assertThat(nvme().vfioPath()).isNull();
    }

    @Test
    void findsThatRamCannotBePinned() throws IOException {
        host.lockedMemory("8388608", 0);
        assertThat(nvme().whyNotPassable(8 << 20)).isNull();
        assertThat(nvme().whyNotPassable(1 << 30))
                .contains("RLIMIT_MEMLOCK is 8 MiB, but all guest RAM, 1 GiB, gets pinned", "ulimit -l unlimited");
        host.lockedMemory("8388608", 1 << 14);
        assertThat(nvme().whyNotPassable(1 << 30)).as("CAP_IPC_LOCK").isNull();
    }

    @Test
    void takesFilesThatTellNothing() throws IOException {
        host.write("proc/self/limits", "");
        host.write("proc/self/status", "CapEff:\tnone\n");
        host.write("sys/bus/pci/devices/" + NVME + "/vendor", "what\n");
        host.delete("sys/bus/pci/devices/" + NVME + "/class");
        assertThat(nvme().whyNotPassable(1 << 30)).isNull();
        assertThat(nvme().vendor()).isEqualTo(-1);
        assertThat(nvme().kind()).isEqualTo("other");
    }
}

package dev.holdover.kvm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Errno;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Hosts of every kind that has no KVM, made of the few files that tell them apart. Needs no KVM. */
class KvmDiagnosisTest {
    private static final String INTEL = "fpu vme vmx ssse3";
    private static final String INTEL_GUEST = "fpu vme ssse3 hypervisor";

    @TempDir
    private Path root;

    private KvmDiagnosis diagnosis;

    @BeforeEach
    void makeBareHost() throws IOException {
        write("proc/misc", "200 tun\n183 hw_random\n");
        write("proc/1/cgroup", "0::/init.scope\n");
        write("proc/self/environ", "HOME=/root\0container=\0TERM=xterm\0");
        write("proc/self/mountinfo", "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n");
        cpu(INTEL);
        diagnosis = new KvmDiagnosis(root);
    }

    private void write(String name, String text) throws IOException {
        Path file = root.resolve(name);
        Files.createDirectories(file.getParent());
        Files.writeString(file, text);
    }

    private void cpu(String flags) throws IOException {
        write("proc/cpuinfo", "processor\t: 0\nflags\t\t: " + flags + "\nvmx flags\t: vnmi\n\nprocessor\t: 1\n");
    }

    private void listKvm() throws IOException {
        write("proc/misc", "200 tun\n232 kvm\n");
    }

    @ParameterizedTest
    @CsvSource({"fpu vmx, kvm_intel", "fpu svm, kvm_amd", "fpu svm hypervisor, kvm_amd"})
    void aCpuThatCouldHasItsModuleNotLoaded(String flags, String module) throws IOException {
        cpu(flags);
        KvmProblem problem = diagnosis.ofOpen(Errno.ENOENT);
        assertThat(problem).isEqualTo(new KvmProblem.NotLoaded(Errno.ENOENT, module, false));
        assertThat(problem.sentence())
                .startsWith("cannot open /dev/kvm: ENOENT (No such file or directory): ")
                .contains("modprobe " + module, "firmware")
                .doesNotContain("device node is there");
    }

    @Test
    void aVmWithoutVirtualisationOfItsOwnHasNoNesting() throws IOException {
        cpu(INTEL_GUEST);
        KvmProblem problem = diagnosis.ofOpen(Errno.ENOENT);
        assertThat(problem).isEqualTo(new KvmProblem.NoNesting(Errno.ENOENT));
        assertThat(problem.sentence()).contains("ENOENT", "nested virtualisation", "neither vmx nor svm");
    }

    @Test
    void aCpuWithoutVirtualisationOrItsFirmwareIsToBlame() throws IOException {
        cpu("fpu vme ssse3 svm_lock");
        KvmProblem problem = diagnosis.ofOpen(Errno.ENOENT);
        assertThat(problem).isEqualTo(new KvmProblem.NoVirtualisation(Errno.ENOENT));
        assertThat(problem.advice()).contains("firmware");
    }

    @Test
    void aKernelThatHasKvmLacksItsNodeOnly() throws IOException {
        listKvm();
        KvmProblem problem = diagnosis.ofOpen(Errno.ENOENT);
        assertThat(problem).isEqualTo(new KvmProblem.NoNode(Errno.ENOENT));
        assertThat(problem.advice()).contains("mknod /dev/kvm c 10 232");
        assertThat(diagnosis.ofOpen(Errno.ENXIO)).isEqualTo(new KvmProblem.WrongNode(Errno.ENXIO));
    }

    @ParameterizedTest
    @ValueSource(strings = {".dockerenv", "run/.containerenv", "run/systemd/container"})
    void aContainerIsKnownByAFile(String mark) throws IOException {
        write(mark, "");
        KvmProblem problem = diagnosis.ofOpen(Errno.ENOENT);
        assertThat(problem).isEqualTo(new KvmProblem.NoDeviceInContainer(Errno.ENOENT, false));
        assertThat(problem.sentence()).contains("ENOENT", "container", "--device /dev/kvm");
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            proc/1/environ      | PATH=/bin~container=lxc~
            proc/self/environ   | container=podman~
            proc/self/environ   | HOME=/~KUBERNETES_SERVICE_HOST=10.0.0.1~
            proc/1/cgroup       | 4:memory:/docker/0123
            proc/1/cgroup       | 0::/kubepods.slice/kubepods-pod1.slice
            proc/self/mountinfo | 500 400 0:50 / / rw - overlay overlay rw,upperdir=/var/lib/containerd/fs/1
            """)
    void aContainerIsKnownByItsProcesses(String file, String text) throws IOException {
        write(file, text.replace('~', '\0') + "\n");
        assertThat(diagnosis.ofOpen(Errno.ENOENT)).isEqualTo(new KvmProblem.NoDeviceInContainer(Errno.ENOENT, false));
    }

    @Test
    void anOverlayWithinAHostMakesNoContainerOfIt() throws IOException {
        write("proc/self/mountinfo", """
                22 1 8:1 / / rw - ext4 /dev/sda1 rw
                90 22 0:50 / /var/lib/docker/overlay2/1/merged rw - overlay overlay rw,upperdir=/docker/1
                """);
        assertThat(diagnosis.ofOpen(Errno.ENOENT)).isInstanceOf(KvmProblem.NotLoaded.class);
    }

    @Test
    void aContainerOnAHostWithoutKvmIsToldThatTheDeviceAloneIsNotEnough() throws IOException {
        write(".dockerenv", "");
        cpu(INTEL_GUEST);
        KvmProblem problem = diagnosis.ofOpen(Errno.ENOENT);
        assertThat(problem).isEqualTo(new KvmProblem.NoDeviceInContainer(Errno.ENOENT, true));
        assertThat(problem.sentence()).contains("--device /dev/kvm", "on a host that has KVM");
        listKvm();
        assertThat(diagnosis.ofOpen(Errno.ENOENT)).isEqualTo(new KvmProblem.NoDeviceInContainer(Errno.ENOENT, false));
        Files.delete(root.resolve("proc/misc"));
        assertThat(diagnosis.ofOpen(Errno.ENOENT))
                .as("nothing is known of the host's kernel")
                .isEqualTo(new KvmProblem.NoDeviceInContainer(Errno.ENOENT, false));
    }

    @ParameterizedTest
    @CsvSource({"ENODEV, No such device", "ENXIO, No such device or address"})
    void aNodeWithoutADriverMeansNothing(Errno errno, String text) throws IOException {
        assertThat(diagnosis.ofOpen(errno).sentence())
                .contains(errno + " (" + text + ")", "although the device node is there", "modprobe kvm_intel");
        cpu(INTEL_GUEST);
        KvmProblem problem = diagnosis.ofOpen(errno);
        assertThat(problem).isEqualTo(new KvmProblem.NoNesting(errno));
        assertThat(problem.sentence()).contains("although the device node is there");
        cpu("fpu vme");
        assertThat(diagnosis.ofOpen(errno)).isEqualTo(new KvmProblem.NoVirtualisation(errno));
    }

    @Test
    void aContainersModuleIsLoadedByItsHost() throws IOException {
        write("run/.containerenv", "");
        KvmProblem problem = diagnosis.ofOpen(Errno.ENODEV);
        assertThat(problem).isEqualTo(new KvmProblem.NotLoaded(Errno.ENODEV, "kvm_intel", true));
        assertThat(problem.advice()).contains("on the container's host");
    }

    private void node(String permissions) throws IOException {
        write("dev/kvm", "");
        Files.setPosixFilePermissions(root.resolve("dev/kvm"), PosixFilePermissions.fromString(permissions));
    }

    @Test
    void aNodeThatOnlyItsOwnerMayOpenIsToBeGivenToAGroup() throws IOException {
        node("rw-------");
        KvmProblem problem = diagnosis.ofOpen(Errno.EACCES);
        assertThat(problem)
                .isInstanceOfSatisfying(
                        KvmProblem.NoPermission.class,
                        permission -> assertThat(permission.groupMay()).isFalse());
        assertThat(problem.sentence())
                .contains("EACCES (Permission denied)", "only its owner", "chgrp kvm", "usermod -aG kvm");
    }

    @Test
    void theGroupThatMayOpenTheNodeIsNamed() throws IOException {
        node("rw-rw----");
        int groupId = (Integer) Files.getAttribute(root.resolve("dev/kvm"), "unix:gid");
        assertThat(diagnosis.ofOpen(Errno.EACCES)).isInstanceOfSatisfying(KvmProblem.NoPermission.class, permission -> {
            assertThat(permission.groupId()).isEqualTo(groupId);
            assertThat(permission.groupMay()).as("never root's").isEqualTo(groupId != 0);
            assertThat(permission.user()).isEqualTo(System.getProperty("user.name"));
            assertThat(permission.container()).isFalse();
        });
    }

    @Test
    void theWayIntoTheGroupIsTheLoginsOrTheRuntimes() {
        KvmProblem here = new KvmProblem.NoPermission(Errno.EACCES, "ada", "qemu", 107, true, false);
        assertThat(here.sentence())
                .isEqualTo("cannot open /dev/kvm: EACCES (Permission denied): only the group qemu may, and not the user"
                        + " ada: run usermod -aG qemu ada as root, then log in again");
        KvmProblem inside = new KvmProblem.NoPermission(Errno.EACCES, "ada", "107", 107, true, true);
        assertThat(inside.advice()).isEqualTo("start the container with --group-add 107");
    }

    @Test
    void aCgroupForbidsWithAnotherErrno() throws IOException {
        assertThat(diagnosis.ofOpen(Errno.EPERM).advice()).contains("DeviceAllow=/dev/kvm rw");
        write(".dockerenv", "");
        assertThat(diagnosis.ofOpen(Errno.EPERM).advice()).isEqualTo("start the container with --device /dev/kvm");
    }

    @Test
    void whatIsNotKnownIsSaidWithItsErrno() throws IOException {
        assertThat(diagnosis.ofOpen(Errno.EMFILE).sentence())
                .isEqualTo("cannot open /dev/kvm: EMFILE (Too many open files): see the kernel's log (dmesg)");
        for (String file : List.of("proc/cpuinfo", "proc/misc", "proc/1/cgroup", "proc/self/environ")) {
            Files.delete(root.resolve(file));
        }
        assertThat(diagnosis.ofOpen(Errno.ENOENT)).isEqualTo(new KvmProblem.Other(Errno.ENOENT));
    }

    @Test
    void whatIsNotTheKvmThatIsMeantIsSaidWithItsNumbers() {
        assertThat(new KvmProblem.NotKvm(Errno.ENOTTY).sentence())
                .contains("ENOTTY (Inappropriate ioctl for device)", "10:232");
        assertThat(new KvmProblem.OtherVersion(11, 12).sentence()).contains("API version 11", "needs 12");
        assertThat(new KvmProblem.NoVm(Errno.EBUSY).sentence()).contains("KVM_CREATE_VM", "EBUSY", "other hypervisor");
        KvmUnavailable thrown = new KvmUnavailable(new KvmProblem.LacksCapability(KvmCap.IRQFD));
        assertThat(thrown)
                .hasMessageContaining("KVM_CAP_IRQFD")
                .hasMessage(thrown.problem().sentence());
    }
}

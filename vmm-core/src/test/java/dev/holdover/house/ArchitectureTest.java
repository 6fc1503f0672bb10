package dev.holdover.house;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.lang.ArchRule;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * The rules of the house, as docs/architecture.md draws it: between modules the compiler holds them by module-info.java,
 * within a module nobody else does.
 */
class ArchitectureTest {
    private static final Path ROOT = Path.of("..");
    private static final List<String> MODULES =
            List.of("vmm-memory", "vmm-kvm", "vmm-migration", "vmm-devices", "vmm-core");

    private static final String[] DEVICES = {
        "dev.holdover.platform..",
        "dev.holdover.serial..",
        "dev.holdover.pci..",
        "dev.holdover.passthrough..",
        "dev.holdover.virtio.."
    };

    private static final int MAX_LINES = 500;

    /** Classes that are too long, and how long they are: they may only become shorter. */
    private static final Map<String, Integer> TOO_LONG =
            Map.of("Machine.java", 1250, "Luod.java", 960, "Devices.java", 670, "VirtioPci.java", 520);

    private static JavaClasses classes;

    @BeforeAll
    static void read() {
        List<Path> paths = MODULES.stream()
                .map(module -> ROOT.resolve(module).resolve("target/classes"))
                .toList();
        assertThat(paths).allMatch(Files::isDirectory);
        classes = new ClassFileImporter().importPaths(paths);
        assertThat(classes).hasSizeGreaterThan(300);
    }

    private static void holds(ArchRule rule) {
        rule.check(classes);
    }

    @Test
    void packagesFormNoCircle() {
        holds(slices().matching("dev.holdover.(**)").should().beFreeOfCycles());
    }

    @Test
    void devicesKnowNeitherTheWireNorTheMachine() {
        holds(noClasses()
                .that()
                .resideInAnyPackage(DEVICES)
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(
                        "dev.holdover.handover..",
                        "dev.holdover.liveupdate..",
                        "dev.holdover.luod..",
                        "dev.holdover.boot..",
                        "dev.holdover.machine..",
                        "dev.holdover.control..",
                        "dev.holdover.cli.."));
    }

    @Test
    void theMachineKnowsNoOptionAndNoControlSocket() {
        holds(noClasses()
                .that()
                .resideInAnyPackage("dev.holdover.boot..", "dev.holdover.machine..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("dev.holdover.control..", "dev.holdover.cli.."));
    }

    @Test
    void theStateFileKnowsNoAgent() {
        holds(noClasses()
                .that()
                .resideInAPackage("dev.holdover.vmstate..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("dev.holdover.handover..", "dev.holdover.liveupdate..", "dev.holdover.luod.."));
    }

    @Test
    void agentsDoNotKnowTheDaemon() {
        holds(noClasses()
                .that()
                .resideInAPackage("dev.holdover.liveupdate..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("dev.holdover.luod.."));
    }

    @Test
    void classesAreNotTooLong() throws IOException {
        Map<String, Integer> longer = new TreeMap<>();
        for (String module : MODULES) {
            try (Stream<Path> files = Files.walk(ROOT.resolve(module).resolve("src/main/java"))) {
                for (Path file :
                        files.filter(path -> path.toString().endsWith(".java")).toList()) {
                    int lines = Files.readAllLines(file).size();
                    String name = file.getFileName().toString();
                    if (lines > TOO_LONG.getOrDefault(name, MAX_LINES)) {
                        longer.put(name, lines);
                    }
                }
            }
        }
        assertThat(longer).as("classes of too many lines").isEmpty();
    }
}

package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The scripts vmm and mvnw, copied into a tree of their own whose path has a space in it, with a JDK whose java is a
 * script that says what it was called with.
 */
class LauncherTest {
    private static final boolean ROOT = Files.isWritable(Path.of("/proc/1/oom_score_adj"));
    private static final String NO_JDK = ": no JDK 25 or newer in JAVA_HOME, /usr/lib/jvm or the PATH: install the"
            + " distribution's (openjdk-25-jdk, java-25-openjdk-devel) or, where it has none as in Debian 12, a vendor's"
            + " package or tarball (Eclipse Temurin 25, for example), and set JAVA_HOME to it if it lies elsewhere\n";

    @TempDir
    private Path dir;

    private Path tree;
    private Path jar;
    private Path archive;
    private Path stamp;
    private Shell shell;

    @BeforeEach
    void makeTree() throws IOException {
        tree = Files.createDirectories(dir.resolve("a tree"));
        Path root = Path.of("..").toRealPath();
        for (String script : List.of(
                "vmm",
                "mvnw",
                "benchmarks/bench",
                ".mvn/find-jdk",
                ".mvn/note-fds",
                ".mvn/build",
                ".mvn/train",
                ".mvn/merge-classes",
                ".mvn/demo")) {
            Path copy = tree.resolve(script);
            Files.createDirectories(copy.getParent());
            Files.copy(root.resolve(script), copy);
        }
        Files.createDirectories(source("src/main"));
        Files.writeString(source("src/main/Old.java"), "class Old {}");
        Files.createFile(tree.resolve("pom.xml"));
        Files.createFile(source("pom.xml"));
        jar = source("target/holdover.jar");
        archive = source("target/holdover-25.0.1.jsa");
        stamp = source("target/holdover.built");
        Files.createDirectory(jar.getParent());
        old(Files.createFile(jar), 2);
        old(Files.writeString(archive, "classes"), 2);
        Files.createFile(stamp);
        makeJdk("jdk", "25.0.1");
        shell = new Shell(dir).with("JAVA_HOME", dir.resolve("jdk").toString());
    }

    private Path source(String path) {
        return tree.resolve("vmm-core").resolve(path);
    }

    private static final FileTime NOON = FileTime.fromMillis(1_700_000_000_000L);

    private static void old(Path file, int hours) throws IOException {
        Files.setLastModifiedTime(file, FileTime.fromMillis(NOON.toMillis() - hours * 3_600_000L));
    }

    /** Its java says which one it is, where its standard input goes, and its arguments, a line each. */
    private void makeJdk(String name, String version) throws IOException {
        Path home = Files.createDirectories(dir.resolve(name));
        Files.writeString(
                home.resolve("release"), "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"" + version + "\"\nOS_ARCH=\"x\"\n");
        script(home.resolve("bin/javac"), "exit 1\n");
        script(home.resolve("bin/java"), """
                echo "${0%/bin/java}"
                readlink /proc/$$/fd/0
                for argument; do
                    echo "[$argument]"
                done
                """);
    }

    private static void script(Path file, String text) throws IOException {
        Files.createDirectories(file.getParent());
        Files.writeString(file, "#!/bin/sh\n" + text);
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
    }

    private String says(String command) throws IOException, InterruptedException {
        Shell.Outcome outcome = shell.run(command);
        assertThat(outcome.err()).isEmpty();
        assertThat(outcome.code()).isZero();
        return outcome.out();
    }

    private void fails(String command, String sentence) throws IOException, InterruptedException {
        assertThat(shell.run(command)).isEqualTo(new Shell.Outcome(1, "", sentence));
    }

    // vmm

    @Test
    void passesArgumentsOnAsTheyAre() throws IOException, InterruptedException {
        assertThat(says("'a tree/vmm' run -a 'x  y' '' '*' \"it's\""))
                .startsWith(dir.resolve("jdk") + "\n")
                .contains("[-XX:SharedArchiveFile=" + "a tree/vmm-core/target/holdover-25.0.1.jsa]\n")
                .endsWith("[-jar]\n[a tree/vmm-core/target/holdover.jar]\n[run]\n[-a]\n[x  y]\n[]\n[*]\n[it's]\n");
    }

    @Test
    void isFoundWhateverItIsCalledBy() throws IOException, InterruptedException {
        Files.createSymbolicLink(dir.resolve("link"), tree.resolve("vmm"));
        String jarLine = "[" + jar + "]\n";
        assertThat(says("cd / && '" + tree + "/vmm' x")).contains(jarLine);
        assertThat(says("./link x")).contains(jarLine);
        assertThat(says("PATH=\"" + tree + ":$PATH\" && cd / && vmm x")).contains(jarLine);
        assertThat(says("cd 'a tree' && sh vmm x")).contains("[./vmm-core/target/holdover.jar]\n");
    }

    @Test
    void tellsWhichDescriptorsWereOpenBeforeJava() throws IOException, InterruptedException {
        assertThat(says("exec 'a tree/vmm' x")).contains("[-Ddev.holdover.inherited-fds=]\n");
        assertThat(says("exec 'a tree/vmm' x 3<>stdin 9</dev/null 5>>stdin"))
                .contains("[-Ddev.holdover.inherited-fds=3,5,9]\n");
    }

    @Test
    void opensStandardDescriptorsThatAreClosed() throws IOException, InterruptedException {
        assertThat(says("'a tree/vmm' x <&-")).contains("\n/dev/null\n").contains("inherited-fds=]");
        assertThat(says("'a tree/vmm' x <stderr")).contains("\n" + dir.toRealPath() + "/stderr\n");
        assertThat(says("'a tree/vmm' x >&- 2>&-")).isEmpty();
    }

    @Test
    void takesJavaHomeFirstThenTheNewestThenThePath() throws IOException, InterruptedException {
        assumeTrue(ROOT, "a mount namespace");
        makeJdk("jvms/old", "17.0.15");
        makeJdk("jvms/right", "25");
        makeJdk("jvms/newer", "26-ea");
        makeJdk("jvms/ancient", "1.8.0_402");
        makeJdk("none/old", "24.0.2");
        makeJdk("other", "25.0.2");
        old(Files.createFile(source("target/holdover-26-ea.jsa")), 2);
        old(Files.createFile(source("target/holdover-25.0.2.jsa")), 2);
        String among = "exec unshare -m sh -c 'mount --bind %s /usr/lib/jvm && exec \"a tree/vmm\" x'";
        assertThat(says(among.formatted("jvms"))).startsWith(dir.resolve("jdk") + "\n");
        shell.with("JAVA_HOME", dir.resolve("none/old").toString());
        assertThat(says(among.formatted("jvms"))).startsWith("/usr/lib/jvm/newer\n");
        shell.without("JAVA_HOME").with("PATH", dir.resolve("other/bin") + ":" + System.getenv("PATH"));
        assertThat(says(among.formatted("jvms"))).startsWith("/usr/lib/jvm/newer\n");
        assertThat(says(among.formatted("none"))).startsWith(dir.resolve("other") + "\n");
        shell.with("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").with("JAVA_HOME", "/nonexistent");
        fails(among.formatted("none"), "vmm" + NO_JDK);
        fails(among.formatted("none").replace("vmm", "mvnw"), "mvnw" + NO_JDK);
    }

    /** In place of mvnw: counts, does what {@code more} says in the tree, and makes a jar after a while. */
    private void makeBuild(String more) throws IOException {
        script(tree.resolve("mvnw"), """
                echo built >>"$BUILDS"
                cd "${0%/mvnw}"
                echo '[INFO] Building vmm-core 0.1.0-SNAPSHOT                    [5/5]'
                """ + more + """
                sleep 0.5
                echo whole >vmm-core/target/holdover.jar
                """);
        shell.with("BUILDS", dir.resolve("builds").toString());
        Files.delete(stamp);
    }

    private long builds() throws IOException {
        Path file = dir.resolve("builds");
        return Files.exists(file) ? Files.readAllLines(file).size() : 0;
    }

    /** It makes no archive either: the jar of these tests is of this second. */
    private void startsAtOnce() throws IOException, InterruptedException {
        long before = builds();
        assertThat(says("'a tree/vmm' x")).endsWith("[x]\n");
        assertThat(builds()).isEqualTo(before);
    }

    private void builds(String why) throws IOException, InterruptedException {
        long before = builds();
        Shell.Outcome outcome = shell.run("'a tree/vmm' x");
        assertThat(outcome.err()).startsWith("vmm: building (" + why + "), which takes about a minute");
        assertThat(outcome.out()).endsWith("[x]\n");
        assertThat(builds()).isEqualTo(before + 1);
    }

    @Test
    void buildsWhatIsNewOnceHoweverManyStart() throws IOException, InterruptedException {
        makeBuild("");
        Files.delete(jar);
        Shell.Outcome outcome = shell.run("for i in 1 2 3; do 'a tree/vmm' x & done; wait");
        assertThat(outcome.err())
                .containsOnlyOnce("vmm: building (first use), ")
                .contains("vmm: built in ");
        assertThat(outcome.out()).containsPattern("(?s)(.*\\[x]\n){3}");
        assertThat(builds()).isEqualTo(1);
        startsAtOnce();

        Files.createFile(source("src/main/New.java"));
        builds("the sources have changed");
        startsAtOnce();
    }

    @Test
    void buildsForASourceThatIsRemovedOrReplacedByAnOldOne() throws IOException, InterruptedException {
        makeBuild("");
        builds("the sources have changed");
        Path file = source("src/main/deep/Other.java");
        Files.createDirectories(file.getParent());
        Path elsewhere = Files.writeString(dir.resolve("Other.java"), "class Other {}");
        old(elsewhere, 9);
        Files.move(elsewhere, file);
        builds("the sources have changed");
        startsAtOnce();
        Files.delete(file);
        builds("the sources have changed");
        startsAtOnce();
    }

    @Test
    void doesNotBuildForWhatIsTheSame() throws IOException, InterruptedException {
        makeBuild("");
        builds("the sources have changed");
        assertThat(shell.run("touch 'a tree/pom.xml' 'a tree/vmm-core/src/main'")
                        .code())
                .isZero();
        Files.createFile(source("src/main/.New.java.swp"));
        startsAtOnce();
        FileTime checked = Files.getLastModifiedTime(stamp);
        Files.writeString(source("src/main/Old.java"), "class Old { int i; }");
        Files.writeString(source("src/main/Old.java"), "class Old {}");
        startsAtOnce();
        assertThat(Files.getLastModifiedTime(stamp)).isGreaterThan(checked);
    }

    @Test
    void buildsAgainForWhatChangedDuringTheBuild() throws IOException, InterruptedException {
        makeBuild("[ -e vmm-core/src/main/During.java ] || echo >vmm-core/src/main/During.java\n");
        builds("the sources have changed");
        builds("the sources have changed");
        startsAtOnce();
    }

    /** As of ./mvnw verify in a fresh clone. */
    @Test
    void takesWhatMavenHasBuilt() throws IOException, InterruptedException {
        makeBuild("");
        Files.delete(archive);
        Files.setLastModifiedTime(jar, FileTime.fromMillis(System.currentTimeMillis() + 1));
        assertThat(shell.run("'a tree/vmm' x").err()).startsWith("vmm: making the archive");
        startsAtOnce();
        assertThat(builds()).isZero();
        // It has built something else meanwhile, or so it may be.
        Files.setLastModifiedTime(
                Files.writeString(jar, "other"), FileTime.fromMillis(System.currentTimeMillis() - 1000));
        Files.writeString(source("src/main/Old.java"), "class Old { int i; }");
        builds("the sources have changed");
    }

    @Test
    void benchBuildsOnceToo() throws IOException, InterruptedException {
        makeBuild("mkdir -p benchmarks/target; echo >benchmarks/target/benchmarks.jar\n");
        builds("the sources have changed");
        Files.createDirectories(tree.resolve("benchmarks/src/main"));
        Path pom = Files.createFile(tree.resolve("benchmarks/pom.xml"));
        assertThat(shell.run("'a tree/vmm' bench x").err()).contains("vmm bench: building (");
        assertThat(builds()).isEqualTo(2);
        assertThat(says("touch 'a tree/benchmarks/pom.xml' && 'a tree/vmm' bench x"))
                .endsWith("[x]\n");
        assertThat(says("'a tree/vmm' bench x")).endsWith("[x]\n");
        assertThat(builds()).isEqualTo(2);
        Files.writeString(pom, "<project/>");
        assertThat(shell.run("'a tree/vmm' bench x").err()).contains("vmm bench: building (the sources have changed)");
        assertThat(builds()).isEqualTo(3);
    }

    private List<Path> target() throws IOException {
        try (Stream<Path> left = Files.list(jar.getParent())) {
            return left.toList();
        }
    }

    /** The JDK of these tests makes none. */
    @Test
    void triesOnceToMakeAnArchive() throws IOException, InterruptedException {
        Files.delete(archive);
        Shell.Outcome outcome = shell.run("'a tree/vmm' x");
        assertThat(outcome.err())
                .matches("vmm: making the archive of classes .*, which takes .*\nvmm: archive made in [0-9]+ s\n");
        assertThat(outcome.out()).doesNotContain("SharedArchiveFile").endsWith("[x]\n");
        assertThat(archive).isEmptyFile();
        assertThat(says("'a tree/vmm' x")).doesNotContain("SharedArchiveFile").endsWith("[x]\n");
        Path noKvm = archive.resolveSibling(archive.getFileName() + ".no-kvm");
        assertThat(Files.exists(noKvm)).isNotEqualTo(Files.isWritable(Path.of("/dev/kvm")));
        Files.deleteIfExists(noKvm);
        assertThat(target()).containsExactlyInAnyOrder(jar, archive, stamp);
    }

    @Test
    void makesAnArchiveForEachJar() throws IOException, InterruptedException {
        old(archive, 1);
        assertThat(shell.run("'a tree/vmm' x").err()).startsWith("vmm: making the archive");
        assertThat(Files.getLastModifiedTime(archive)).isEqualTo(Files.getLastModifiedTime(jar));
        makeJdk("jdk", "25.0.2");
        assertThat(shell.run("'a tree/vmm' x").err()).startsWith("vmm: making the archive");
        assertThat(archive).exists();
    }

    @Test
    void makesAnArchiveAnewWhereKvmHasCome() throws IOException, InterruptedException {
        Files.createFile(archive.resolveSibling(archive.getFileName() + ".no-kvm"));
        boolean kvm = Files.isWritable(Path.of("/dev/kvm"));
        String err = shell.run("'a tree/vmm' x").err();
        assertThat(err.startsWith("vmm: making the archive")).isEqualTo(kvm);
        assertThat(says("'a tree/vmm' x")).endsWith("[x]\n");
    }

    /** A java that does not end by itself on {@code argument}, and says which process it is in a file. */
    private Path hangOn(String argument) throws IOException {
        Path started = dir.resolve("started");
        script(dir.resolve("jdk/bin/java"), """
                for argument; do
                    case $argument in
                    -XX:DumpLoadedClassList=*) : >"${argument#*=}" ;;
                    ARGUMENT) echo $$ >STARTED.new; mv STARTED.new STARTED; exec sleep 60 ;;
                    esac
                done
                """.replace("ARGUMENT", argument).replace("STARTED", "'" + started + "'"));
        return started;
    }

    private ProcessHandle await(Path file) throws IOException, InterruptedException {
        while (!Files.exists(file)) {
            Thread.sleep(5); // the test's own time limit ends it
        }
        long pid = Long.parseLong(Files.readString(file).strip());
        Files.delete(file);
        return ProcessHandle.of(pid).orElseThrow();
    }

    @ParameterizedTest
    @CsvSource({"INT, 130", "TERM, 143", "HUP, 129"})
    void leavesNothingOfAnArchiveWhenInterrupted(String signal, int code) throws IOException, InterruptedException {
        Files.delete(archive);
        Path started = hangOn("demo");
        shell.with("TMPDIR", Files.createDirectory(dir.resolve("tmp")).toString());
        Process vmm = shell.start("exec 'a tree/vmm' x", List.of());
        ProcessHandle training = await(started);
        assertThat(dir.resolve("tmp")).isNotEmptyDirectory();
        kill(signal, vmm.pid());
        assertThat(vmm.waitFor()).isEqualTo(code);
        assertThat(training.isAlive()).isFalse();
        assertThat(dir.resolve("tmp")).isEmptyDirectory();
        assertThat(target()).containsExactlyInAnyOrder(jar, stamp);
        says("flock -n 'a tree/target/build.lock' true");
    }

    private static void kill(String signal, long pid) throws IOException, InterruptedException {
        assertThat(new ProcessBuilder("kill", "-" + signal, Long.toString(pid))
                        .start()
                        .waitFor())
                .isZero();
    }

    @Test
    void removesWhatAKilledOneHasLeft() throws IOException, InterruptedException {
        Files.delete(archive);
        Path sockets = Files.createDirectory(dir.resolve("holdover-training.Abc"));
        Files.createFile(sockets.resolve("control"));
        Path making = Files.createDirectory(source("target/archive.making"));
        Files.writeString(making.resolve("training"), sockets + "\n");
        Files.writeString(making.resolve("classes.1"), "x");
        assertThat(shell.run("'a tree/vmm' x").code()).isZero();
        assertThat(sockets).doesNotExist();
        assertThat(making).doesNotExist();
    }

    @ParameterizedTest
    @CsvSource({"INT, 130", "TERM, 143", "KILL, 137"})
    void takesNothingOfABuildThatWasInterrupted(String signal, int code) throws IOException, InterruptedException {
        Path started = dir.resolve("started");
        makeBuild("""
                if [ "$(cat vmm-core/src/main/New.java)" = 1 ]; then
                    mkdir -p vmm-core/target/classes
                    : >vmm-core/target/classes/Half.class
                    echo half >vmm-core/target/holdover.jar
                    echo $$ >'STARTED.new'
                    mv 'STARTED.new' 'STARTED'
                    exec sleep 60
                fi
                """.replace("STARTED", started.toString()));
        Files.writeString(source("src/main/New.java"), "1");
        Process vmm = shell.start("exec 'a tree/vmm' x", List.of());
        ProcessHandle maven = await(started);
        if (signal.equals("KILL")) {
            // What does the work goes, too; it is vmm's only child.
            ProcessHandle worker = vmm.children().findFirst().orElseThrow();
            kill("KILL", vmm.pid());
            kill("KILL", worker.pid());
            assertThat(maven.isAlive()).isTrue();
            kill("TERM", maven.pid());
        } else {
            kill(signal, vmm.pid());
        }
        assertThat(vmm.waitFor()).isEqualTo(code);
        maven.onExit().join();
        assertThat(jar).hasContent("half");

        Files.writeString(source("src/main/New.java"), "2");
        builds("the sources have changed");
        assertThat(jar).hasContent("whole");
        assertThat(source("target/classes")).doesNotExist();
        startsAtOnce();
    }

    @Test
    void saysWhyTheBuildFailed() throws IOException, InterruptedException {
        script(tree.resolve("mvnw"), """
                echo '[INFO] Building vmm-core 0.1.0-SNAPSHOT                   [5/5]'
                echo '[ERROR] A.java:[1,2] no'
                echo '[ERROR]   java.base/java.lang.reflect.Method.invoke(Method.java:565)'
                echo '[INFO] BUILD FAILURE'
                echo '[ERROR] A.java:[1,2] no'
                echo '[ERROR] Failed to execute goal -> [Help 1]'
                echo '[ERROR] '
                echo '[ERROR] To see the full stack trace of the errors, re-run Maven with the -e switch.'
                exit 1
                """);
        Files.delete(jar);
        Files.delete(stamp);
        shell.with("HOME", dir.toString());
        fails("'a tree/vmm' x", """
                vmm: building (first use), which takes about a minute; Maven downloads about 90 MB into ~/.m2 first, unless \
                it has them elsewhere ...
                vmm:   vmm-core [5/5]
                [ERROR] A.java:[1,2] no
                vmm: the build failed; all that Maven said is in a tree/target/build.log
                """);
    }

    @Test
    void goesOnInAnEmulatedHost() throws IOException, InterruptedException {
        script(dir.resolve("jdk/bin/java"), "exit 69\n");
        assertThat(shell.run("'a tree/vmm' demo --emulated").code()).isEqualTo(69);
        script(tree.resolve("lab/demo"), "printf '<%s>' \"$@\"\nexit 5\n");
        assertThat(shell.run("'a tree/vmm' demo --emulated 'x  y'"))
                .isEqualTo(new Shell.Outcome(5, "<--emulated><x  y>", ""));
        assertThat(shell.run("'a tree/vmm' run demo").code()).isEqualTo(69);
        script(dir.resolve("jdk/bin/java"), "exit 3\n");
        assertThat(shell.run("'a tree/vmm' demo")).isEqualTo(new Shell.Outcome(3, "", ""));
    }

    @Test
    void tellsWhereTheDemoOfTheEmulatedHostIs() throws IOException, InterruptedException {
        assertThat(says("'a tree/vmm' x")).doesNotContain("emulated-demo");
        script(tree.resolve("lab/demo"), "exit 1\n");
        String option = "[-Ddev.holdover.emulated-demo=a tree/lab/demo]\n";
        assertThat(says("'a tree/vmm' x")).contains(option).endsWith("[x]\n");
        assertThat(says("'a tree/vmm' demo x")).contains(option).endsWith("[demo]\n[x]\n");
    }

    @ParameterizedTest
    @ValueSource(strings = {"INT", "TERM", "HUP"})
    void passesSignalsOnToTheDemo(String signal) throws IOException, InterruptedException {
        Path started = dir.resolve("started");
        script(tree.resolve("lab/demo"), "exit 5\n");
        script(dir.resolve("jdk/bin/java"), """
                sleep 60 &
                trap 'kill $!; exit 7' SIGNAL
                echo $$ >'STARTED.new'
                mv 'STARTED.new' 'STARTED'
                wait
                """.replace("SIGNAL", signal).replace("STARTED", started.toString()));
        Process vmm = shell.start("exec 'a tree/vmm' demo", List.of());
        ProcessHandle java = await(started);
        kill(signal, vmm.pid());
        assertThat(vmm.waitFor()).isEqualTo(7);
        assertThat(java.isAlive()).isFalse();
    }

    @Test
    void takesATreeThatCannotBeWrittenAsItIs() throws IOException, InterruptedException {
        assumeTrue(ROOT, "rights to give away");
        makeBuild("");
        Files.createFile(tree.resolve("vmm-core/src/main/New.java"));
        Files.delete(archive);
        Files.setPosixFilePermissions(tree, PosixFilePermissions.fromString("r-xr-xr-x"));
        String powerless = "exec setpriv --bounding-set=-dac_override 'a tree/vmm' x";
        assertThat(says(powerless)).endsWith("[x]\n").doesNotContain("SharedArchiveFile");
        Files.delete(jar);
        fails(powerless, "vmm: nothing is built here and a tree cannot be written: run ./vmm once where it can\n");
        assertThat(dir.resolve("builds")).doesNotExist();
    }

    /** Another build's would be refused by the JVM, which says so on standard error. */
    @Test
    void leavesAnArchiveThatIsOfAnotherBuild() throws IOException, InterruptedException {
        assumeTrue(ROOT, "rights to give away");
        String powerless = "exec setpriv --bounding-set=-dac_override 'a tree/vmm' x";
        Files.setPosixFilePermissions(tree, PosixFilePermissions.fromString("r-xr-xr-x"));
        assertThat(says(powerless)).contains("SharedArchiveFile");
        old(archive, 3);
        assertThat(says(powerless)).doesNotContain("SharedArchiveFile").endsWith("[x]\n");
    }

    // mvnw

    private static final String REPOSITORY = "repo/org/apache/maven/apache-maven/3.9.11/apache-maven-3.9.11-bin.tar.gz";

    /** A PATH of few programs, without Maven. */
    private void hideMaven(String... more) throws IOException {
        Path bin = Files.createDirectory(dir.resolve("bin"));
        for (String program : Stream.concat(
                        Stream.of(
                                "sh", "dirname", "readlink", "mkdir", "mktemp", "rm", "mv", "tar", "gzip", "sha512sum"),
                        Stream.of(more))
                .toList()) {
            Path path = Path.of("/usr/bin", program);
            assumeTrue(Files.isExecutable(path), path.toString());
            script(bin.resolve(program), "exec " + path + " \"$@\"\n");
        }
        shell.with("PATH", bin.toString())
                .with("MAVEN_USER_HOME", dir.resolve("m2").toString());
        shell.without("MVNW_REPOURL");
    }

    private List<Path> fetched() throws IOException {
        try (Stream<Path> files = Files.list(dir.resolve("m2/wrapper/dists"))) {
            return files.toList();
        }
    }

    @Test
    void startsTheMavenOfThePathOnTheJdk() throws IOException, InterruptedException {
        hideMaven();
        script(dir.resolve("bin/mvn"), "echo \"$JAVA_HOME\"; echo \"[$1][$2]\"\n");
        Files.createSymbolicLink(dir.resolve("link"), tree.resolve("mvnw"));
        shell.without("HOME").without("MAVEN_USER_HOME");
        String expected = dir.resolve("jdk") + "\n[-q][x y]\n";
        assertThat(says("'a tree/mvnw' -q 'x y'")).isEqualTo(expected);
        assertThat(says("cd / && '" + tree + "/mvnw' -q 'x y'")).isEqualTo(expected);
        assertThat(says("./link -q 'x y'")).isEqualTo(expected);
    }

    @Test
    void saysHowToGetMaven() throws IOException, InterruptedException {
        hideMaven();
        fails(
                "'a tree/mvnw' -v",
                "mvnw: no Maven here: install it (apt-get install maven), or set MVNW_REPOURL to the address of a Maven"
                        + " repository and run this again\n");
        shell.with("MVNW_REPOURL", "file:///nonexistent");
        fails(
                "'a tree/mvnw' -v",
                "mvnw: neither curl nor wget is here to fetch Maven: install one, or install Maven (apt-get install"
                        + " maven)\n");
        shell.without("MAVEN_USER_HOME").without("HOME");
        fails("'a tree/mvnw' -v", "mvnw: nowhere to keep a fetched Maven: set HOME or MAVEN_USER_HOME\n");
    }

    @Test
    void fetchesMavenOnceAndOnlyTheRightOne() throws IOException, InterruptedException {
        hideMaven("curl", "sed");
        shell.with("MVNW_REPOURL", "file://" + dir.resolve("repo"));
        Shell.Outcome outcome = shell.run("'a tree/mvnw' -v");
        assertThat(outcome.code()).isEqualTo(1);
        assertThat(outcome.err()).endsWith(": check the address and the network\n");
        assertThat(fetched()).isEmpty();

        script(dir.resolve("apache-maven-3.9.11/bin/mvn"), "echo fetched \"$@\"\n");
        Files.createDirectories(dir.resolve(REPOSITORY).getParent());
        assertThat(shell.run("tar -czf " + REPOSITORY + " apache-maven-3.9.11").code())
                .isZero();
        fails("'a tree/mvnw' -v", "mvnw: the fetched Maven 3.9.11 has a wrong SHA-512: not used\n");
        assertThat(fetched()).isEmpty();

        String pin = "sum=$(sha512sum " + REPOSITORY + ") && sed -i \"s/^sha512=.*/sha512=${sum%% *}/\" 'a tree/mvnw'";
        assertThat(shell.run(pin).code()).isZero();
        assertThat(says("'a tree/mvnw' -v")).isEqualTo("fetched -v\n");
        Files.delete(dir.resolve(REPOSITORY));
        assertThat(says("'a tree/mvnw' -v")).isEqualTo("fetched -v\n");
        assertThat(fetched()).containsExactly(dir.resolve("m2/wrapper/dists/apache-maven-3.9.11"));
    }
}

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

/**
 * The scripts vmm and mvnw, copied into a tree of their own whose path has a space in it, with a JDK whose java is a
 * script that says what it was called with.
 */
class LauncherTest {
    private static final boolean ROOT = Files.isWritable(Path.of("/proc/1/oom_score_adj"));
    private static final String NO_JDK = ": no JDK 25 or newer in JAVA_HOME, /usr/lib/jvm or the PATH: install one"
            + " (package openjdk-25-jdk or temurin-25-jdk), or set JAVA_HOME to one\n";

    @TempDir
    private Path dir;

    private Path tree;
    private Path jar;
    private Path archive;
    private Shell shell;

    @BeforeEach
    void makeTree() throws IOException {
        tree = Files.createDirectories(dir.resolve("a tree"));
        Path root = Path.of("..").toRealPath();
        for (String script : List.of("vmm", "mvnw", ".mvn/find-jdk", ".mvn/note-fds", ".mvn/train")) {
            Path copy = tree.resolve(script);
            Files.createDirectories(copy.getParent());
            Files.copy(root.resolve(script), copy);
        }
        Files.createDirectories(tree.resolve("vmm-core/src/main"));
        jar = tree.resolve("vmm-core/target/holdover.jar");
        archive = tree.resolve("vmm-core/target/holdover.jsa");
        Files.createDirectory(jar.getParent());
        old(Files.createFile(tree.resolve("pom.xml")), 3);
        old(Files.createFile(tree.resolve("vmm-core/pom.xml")), 3);
        old(tree.resolve("vmm-core/src/main"), 3);
        old(Files.createFile(jar), 2);
        old(Files.writeString(archive, "classes"), 1);
        makeJdk("jdk", "25.0.1");
        shell = new Shell(dir).with("JAVA_HOME", dir.resolve("jdk").toString());
    }

    private static void old(Path file, int hours) throws IOException {
        Files.setLastModifiedTime(file, FileTime.fromMillis(System.currentTimeMillis() - hours * 3_600_000L));
    }

    /** Its java says which one it is, where its standard input goes, and its arguments, a line each. */
    private void makeJdk(String name, String version) throws IOException {
        Path home = Files.createDirectories(dir.resolve(name));
        Files.writeString(
                home.resolve("release"), "IMPLEMENTOR=\"x\"\nJAVA_VERSION=\"" + version + "\"\nOS_ARCH=\"x\"\n");
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
                .contains("[-XX:SharedArchiveFile=" + "a tree/vmm-core/target/holdover.jsa]\n")
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

    /** In place of mvnw: builds a jar after a while, and counts. */
    private void makeBuild() throws IOException {
        script(tree.resolve("mvnw"), """
                echo built >>"$BUILDS"
                sleep 0.5
                echo >"${0%/mvnw}/vmm-core/target/holdover.jar"
                """);
        shell.with("BUILDS", dir.resolve("builds").toString());
    }

    @Test
    void buildsWhatIsNewOnceHoweverManyStart() throws IOException, InterruptedException {
        makeBuild();
        Files.delete(jar);
        Shell.Outcome outcome = shell.run("for i in 1 2 3; do 'a tree/vmm' x & done; wait");
        assertThat(outcome.err()).isEqualTo("vmm: building (first use, or the sources are newer) ...\n");
        assertThat(outcome.out()).containsPattern("(?s)(.*\\[x]\n){3}");
        assertThat(dir.resolve("builds")).hasContent("built");

        Files.createFile(tree.resolve("vmm-core/src/main/New.java"));
        Files.setLastModifiedTime(
                tree.resolve("vmm-core/src/main/New.java"), FileTime.fromMillis(System.currentTimeMillis() + 5000));
        assertThat(shell.run("'a tree/vmm' x").err()).startsWith("vmm: building");
        assertThat(dir.resolve("builds")).hasContent("built\nbuilt");
    }

    /** The JDK of these tests makes none. */
    @Test
    void triesOnceToMakeAnArchive() throws IOException, InterruptedException {
        Files.delete(archive);
        assertThat(says("'a tree/vmm' x")).doesNotContain("SharedArchiveFile").endsWith("[x]\n");
        assertThat(archive).isEmptyFile();
        FileTime first = Files.getLastModifiedTime(archive);
        assertThat(says("'a tree/vmm' x")).doesNotContain("SharedArchiveFile").endsWith("[x]\n");
        assertThat(Files.getLastModifiedTime(archive)).isEqualTo(first);
        try (Stream<Path> left = Files.list(archive.getParent())) {
            assertThat(left).containsExactlyInAnyOrder(jar, archive);
        }
    }

    @Test
    void saysThatTheBuildFailed() throws IOException, InterruptedException {
        script(tree.resolve("mvnw"), "echo '[ERROR] no' >&2; exit 1\n");
        Files.delete(jar);
        fails("'a tree/vmm' x", """
                vmm: building (first use, or the sources are newer) ...
                [ERROR] no
                vmm: the build failed; its messages are above
                """);
    }

    @Test
    void takesATreeThatCannotBeWrittenAsItIs() throws IOException, InterruptedException {
        assumeTrue(ROOT, "rights to give away");
        makeBuild();
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
    void leavesAnArchiveThatIsOlderThanTheBuild() throws IOException, InterruptedException {
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

package dev.holdover.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.VmmException;
import dev.holdover.vmstate.TimelineRow;
import dev.holdover.vmstate.TimelineRow.Clock;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

class TimelineTest {
    /** As a kexec with a Debian guest in the lab takes, roughly. */
    private static final List<TimelineRow> KEXEC = List.of(
            new TimelineRow("guest paused", 0, Clock.TSC, false),
            new TimelineRow("state written", 3_210, Clock.TSC, false),
            new TimelineRow("state preserved", 3_400, Clock.TSC, false),
            new TimelineRow("agent told that all is ready", 3_410, Clock.TSC, false),
            new TimelineRow("next kernel up", 1_203_000, Clock.REALTIME, true),
            new TimelineRow("session claimed", 2_400_000, Clock.MONOTONIC, false),
            new TimelineRow("state retrieved", 2_403_000, Clock.MONOTONIC, false),
            new TimelineRow("RAM retrieved", 2_404_100, Clock.MONOTONIC, false),
            new TimelineRow("VM and vCPUs made, state applied", 2_480_000, Clock.TSC, false),
            new TimelineRow("first KVM_RUN came back", 2_481_000, Clock.TSC, false),
            new TimelineRow("session finished", 2_490_000, Clock.TSC, false));

    @TempDir
    private Path dir;

    private static String table(List<TimelineRow> rows) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        TimelineText.print(rows, new PrintStream(bytes, true, StandardCharsets.UTF_8));
        return bytes.toString(StandardCharsets.UTF_8);
    }

    @Test
    void isATableOf80Columns() {
        List<String> lines = table(KEXEC).lines().toList();
        assertThat(lines)
                .hasSize(12)
                .allSatisfy(line -> assertThat(line.length()).isLessThanOrEqualTo(80));
        assertThat(lines.get(0)).matches(" +phase +since first +span +by");
        assertThat(lines.get(1)).matches(" +guest paused +0\\.000 ms +host TSC");
        assertThat(lines.get(5)).matches(" +next kernel up +1203\\.000 ms +1199\\.590 ms +real time ± 1 s");
        assertThat(lines.get(6)).matches(" +session claimed +2400\\.000 ms +1197\\.000 ms +monotonic");
    }

    @Test
    void movesNoCursor() {
        assertThat(table(List.of(new TimelineRow("\u001b[2J", -1, Clock.TSC, false))))
                .contains("\\u{1b}[2J", "-0.001 ms")
                .doesNotContain("\u001b");
    }

    @Test
    void isAPictureOfItsOwn() throws Exception {
        Document svg = parse(TimelineSvg.of(KEXEC));
        Element root = svg.getDocumentElement();
        int width = Integer.parseInt(root.getAttribute("width"));
        int height = Integer.parseInt(root.getAttribute("height"));
        NodeList bars = root.getElementsByTagName("rect");
        assertThat(bars.getLength()).isEqualTo(1 + KEXEC.size() - 1);
        for (int i = 0; i < bars.getLength(); i++) {
            Element bar = (Element) bars.item(i);
            assertThat(number(bar, "x") + number(bar, "width")).isBetween(0.0, (double) width);
            assertThat(number(bar, "y") + number(bar, "height")).isBetween(0.0, (double) height);
            assertThat(number(bar, "width")).isPositive();
        }
        assertThat(root.getTextContent())
                .contains("The guest stood still for 2481.000 ms", "session claimed", "1199.590 ms", "± 1 s");
    }

    private static double number(Element element, String attribute) {
        return Double.parseDouble(element.getAttribute(attribute));
    }

    private static Document parse(String xml) throws Exception {
        return DocumentBuilderFactory.newNSInstance()
                .newDocumentBuilder()
                .parse(new ByteArrayInputStream(xml.getBytes(StandardCharsets.UTF_8)));
    }

    @Test
    void drawsWhateverItIsGiven() throws Exception {
        parse(TimelineSvg.of(List.of(new TimelineRow("<&\"\u0000>", 0, Clock.TSC, false))));
        parse(TimelineSvg.of(List.of(
                new TimelineRow("a", 0, Clock.REALTIME, false),
                new TimelineRow("b", -1_000_000, Clock.REALTIME, true),
                new TimelineRow("c", Long.MAX_VALUE / 2, Clock.REALTIME, true))));
    }

    @Test
    void saysWhyAPictureIsNotWritten() throws Exception {
        assertThatThrownBy(() -> TimelineSvg.write(List.of(), dir + "/x.svg"))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("there is no phase to draw");
        assertThatThrownBy(() -> TimelineSvg.write(KEXEC, dir + "/missing/x.svg"))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("ENOENT");
        TimelineSvg.write(KEXEC, dir + "/x.svg");
        String keep = System.getProperty("timeline.svg");
        assertThat(dir.resolve("x.svg")).exists();
        if (keep != null) {
            Files.copy(dir.resolve("x.svg"), Path.of(keep));
        }
    }
}

package dev.holdover.liveupdate;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.liveupdate.wire.LiveUpdateIoctl;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.Field;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

/** The numbers of {@link LiveUpdateIoctl} against those of the kernel's header, in liveupdate.txt. */
class LiveUpdateLayoutTest {
    @Test
    void everyNumberIsTheHeaders() throws Exception {
        Map<String, Integer> golden = new TreeMap<>();
        try (BufferedReader lines = new BufferedReader(new InputStreamReader(
                LiveUpdateLayoutTest.class.getResourceAsStream("liveupdate.txt"), StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                if (!line.startsWith("#")) {
                    golden.put(
                            line.substring(0, line.indexOf(' ')),
                            Integer.decode(line.substring(line.indexOf(' ') + 1)));
                }
            }
        }
        Map<String, Integer> ours = new TreeMap<>();
        for (Field field : LiveUpdateIoctl.class.getDeclaredFields()) {
            field.setAccessible(true);
            ours.put(field.getName(), (Integer) field.get(null));
        }
        assertThat(ours).isEqualTo(golden);
    }
}

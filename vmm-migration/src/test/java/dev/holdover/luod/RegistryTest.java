package dev.holdover.luod;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.VmmException;
import dev.holdover.vmstate.Phase;
import dev.holdover.vmstate.TimelineEvent;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class RegistryTest {
    private static final List<Registry.Entry> ENTRIES =
            List.of(new Registry.Entry("vm0", 0), new Registry.Entry("vm \u00e9\n", 1000));

    private static Registry read(String json) {
        return Registry.read(json.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void whatIsWrittenIsRead() {
        Registry registry =
                new Registry(ENTRIES, List.of(TimelineEvent.now(Phase.REBOOT), TimelineEvent.now(Phase.AGENT_UP)));
        assertThat(Registry.read(registry.write())).isEqualTo(registry);
    }

    @Test
    void oneOfAnEarlierVersionHasNoStamps() {
        assertThat(read("{\"version\":1,\"sessions\":[{\"id\":\"vm0\",\"uid\":0}]}"))
                .isEqualTo(new Registry(List.of(new Registry.Entry("vm0", 0)), List.of()));
    }

    /** Sessions come first: no guest is lost for a stamp. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "7",
                "{}",
                "[7, null, {}]",
                "[{\"phase\":99,\"monotonic\":1,\"realtime\":1}]",
                "[{\"phase\":5,\"monotonic\":\"1\",\"realtime\":1}]",
                "[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],{\"phase\":5,\"monotonic\":1,\"realtime\":1}]"
            })
    void stampsThatAreNoneAreLeftOut(String stamps) {
        assertThat(read("{\"sessions\":[],\"stamps\":" + stamps + "}")).isEqualTo(new Registry(List.of(), List.of()));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "7", "{}", "{\"sessions\":[{}]}", "{\"sessions\":[{\"id\":\"vm0\"}]}", "{\"sessions\":["})
    void whatIsNoneIsRefused(String json) {
        assertThatThrownBy(() -> read(json)).isInstanceOf(VmmException.class).hasMessageContaining("registry");
    }
}

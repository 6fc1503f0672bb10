package dev.holdover.memory;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class KeyValueTest {
    @Test
    void splitsAsQemuDoes() {
        assertThat(KeyValue.parse("")).isEmpty();
        assertThat(KeyValue.parse("a=1,b=x=y,c"))
                .containsExactly(new KeyValue("a", "1"), new KeyValue("b", "x=y"), new KeyValue("c", null));
        assertThat(KeyValue.parse("a=1,,2,b=")).containsExactly(new KeyValue("a", "1,2"), new KeyValue("b", ""));
        assertThat(KeyValue.parse("a=,,,b=2,")).containsExactly(new KeyValue("a", ","), new KeyValue("b", "2"));
    }
}

package dev.holdover.liveupdate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.VmmException;
import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class SessionNameTest {
    @ParameterizedTest
    @ValueSource(
            strings = {"vm1", "a", "web-01.example_2", "123456789012345678901234567890123456789012345678901234567890123"
            })
    void aPlainIdIsItsOwnName(String id) {
        assertThat(SessionName.of(id)).isEqualTo(id);
    }

    @Test
    void anyOtherIdHasAPlainNameOfItsOwn() {
        Set<String> names = new HashSet<>();
        String[] ids = {
            "luod-internal",
            "systemd",
            "a b",
            "a\tb",
            "a:b",
            "../x",
            "~x",
            "é",
            "😀",
            "a\0b",
            "a\n",
            "x".repeat(64),
            "x".repeat(1024)
        };
        for (String id : ids) {
            String name = SessionName.of(id);
            assertThat(name).as(id).matches("~[0-9a-f]{32}");
            assertThat(SessionName.of(id)).as("it follows from the id alone").isEqualTo(name);
            assertThat(SessionName.of(name)).as("a name as an id is another").isNotEqualTo(name);
            names.add(name);
        }
        assertThat(names).hasSize(ids.length);
    }

    /** It must be the same for ever: a later version looks for what this one left. */
    @Test
    void namesStayAsTheyAre() {
        assertThat(SessionName.of("luod-internal")).isEqualTo("~3964d09b49a8d82f579783b49cc4defa");
    }

    @Test
    void anIdThatCanHaveNoNameIsRefused() {
        assertThatThrownBy(() -> SessionName.of(""))
                .isInstanceOf(VmmException.class)
                .hasMessage("an id of 0 characters: it has 1 to 1024");
        assertThatThrownBy(() -> SessionName.of("x".repeat(1025))).hasMessageContaining("1025 characters");
        assertThatThrownBy(() -> SessionName.of("\ud800")).hasMessage("an id that is no Unicode text");
    }

    @Test
    void tokensKeepTheirNumbersForEver() {
        assertThat(Tokens.ram(0)).isEqualTo(0x1000);
        assertThat(Tokens.ram(4095)).isLessThan(Tokens.STATE);
        assertThat(Tokens.iommufd(0)).isEqualTo(0x3000);
        assertThat(Tokens.vfio(4095)).isEqualTo(0x4fff);
        assertThatThrownBy(() -> Tokens.ram(4096)).isInstanceOf(IllegalArgumentException.class);
    }
}

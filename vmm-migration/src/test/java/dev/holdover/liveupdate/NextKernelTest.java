package dev.holdover.liveupdate;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.VmmException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Only what is refused before the system call: a kernel is never loaded on a host of somebody's. */
class NextKernelTest {
    @Test
    void aCommandLineThatKeepsGuestsIsTaken() {
        assertThatCode(() -> NextKernel.check("console=ttyS0 kho=on liveupdate=on quiet"))
                .doesNotThrowAnyException();
        assertThatCode(() -> NextKernel.check("kho=off liveupdate=on kho=on -- kho=off"))
                .doesNotThrowAnyException();
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', textBlock = """
            'console=ttyS0';                    lacks kho=on
            'kho=on';                           lacks liveupdate=on
            'liveupdate=on xkho=on';            lacks kho=on
            'kho=on liveupdate=off';            has liveupdate=off where it needs liveupdate=on
            'kho=on liveupdate=on kho=off';     has kho=off where it needs kho=on
            'kho=on -- liveupdate=on';          lacks liveupdate=on
            """)
    void oneThatLosesThemIsRefused(String commandLine, String why) {
        assertThatThrownBy(() -> NextKernel.load("/nonexistent", null, commandLine))
                .isInstanceOf(VmmException.class)
                .hasMessage("the next kernel's command line " + why
                        + ": such a kernel loses every guest; add 'kho=on liveupdate=on'");
    }

    @Test
    void afterThatTheFilesAreLookedAt() {
        assertThatThrownBy(() -> NextKernel.load("/nonexistent", null, "kho=on liveupdate=on"))
                .isInstanceOf(VmmException.class)
                .hasMessage("cannot open kernel /nonexistent, ENOENT (No such file or directory)");
    }
}

package dev.holdover.passthrough;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.UsageException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VfioConfigTest {
    @Test
    void namesADeviceAndWhatBecomesOfItInAKexec() {
        assertThat(VfioConfig.parse("0000:00:04.0")).isEqualTo(new VfioConfig("0000:00:04.0", false));
        assertThat(VfioConfig.parse("00:04.0,on-kexec=refuse")).isEqualTo(new VfioConfig("00:04.0", false));
        assertThat(VfioConfig.parse("/dev/vfio/devices/vfio0,on-kexec=reset"))
                .isEqualTo(new VfioConfig("/dev/vfio/devices/vfio0", true));
    }

    @ParameterizedTest
    @ValueSource(strings = {"0000:00:04.0", "/dev/vfio/devices/vfio0,on-kexec=reset"})
    void itsTextIsWhatItWasParsedOf(String text) {
        assertThat(VfioConfig.parse(text).text()).isEqualTo(text);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", ",on-kexec=reset", "00:04.0,", "00:04.0,on-kexec", "00:04.0,on-kexec=reset,x=y"})
    void refusesWhatIsNone(String text) {
        assertThatThrownBy(() -> VfioConfig.parse(text))
                .isInstanceOf(UsageException.class)
                .hasMessageStartingWith("--vfio " + text + ": ")
                .hasMessageEndingWith("write --vfio " + VfioConfig.SYNTAX);
    }
}

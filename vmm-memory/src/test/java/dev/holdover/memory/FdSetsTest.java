package dev.holdover.memory;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.EventFd;
import dev.holdover.linux.Fd;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.UsageException;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.FdSets.FdInfo;
import dev.holdover.memory.FdSets.FdSet;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class FdSetsTest {
    /** As if the launcher had inherited it: not CLOEXEC. */
    private Fd inherited;

    private FdSets sets;

    @BeforeEach
    void inherit() {
        inherited = Memfd.create("inherited", 4096);
        inherited.setCloseOnExec(false);
        sets = new FdSets(inherited.number());
    }

    @AfterEach
    void close() {
        sets.close();
        inherited.close();
    }

    private String option(String rest) {
        return "fd=" + inherited.number() + rest;
    }

    private void refuses(String argument, String text) {
        assertThatThrownBy(() -> sets.add(AddFd.parse(argument)))
                .isInstanceOf(UsageException.class)
                .hasMessageStartingWith("--add-fd " + argument + ": " + text);
        assertThat(sets.query()).isEmpty();
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', textBlock = """
            foo=1;               Invalid parameter 'foo'
            3;                   Invalid parameter '3'
            fd=x,set=1;          Parameter 'fd' expects a number
            fd,set=1;            Parameter 'fd' expects a number
            fd=,set=1;           Parameter 'fd' expects a number
            fd=0x,set=1;         Parameter 'fd' expects a number
            fd=--1,set=1;        Parameter 'fd' expects a number
            fd=08,set=1;         Parameter 'fd' expects a number
            fd=18446744073709551616,set=1; Parameter 'fd' expects a number
            fd=3,set=x;          Parameter 'set' expects a number
            set=1;               fd option is required and must be non-negative
            fd=-1,set=1;         fd option is required and must be non-negative
            fd=18446744073709551615,set=1; fd option is required and must be non-negative
            fd=0,set=1;          fd cannot be a standard I/O stream
            fd=0x2,set=1;        fd cannot be a standard I/O stream
            fd=987654,set=1;     fd is not valid or already in use
            fd=9,set=1,fd=8;     Parameter 'fd' is given twice
            fd=987654;           fd is not valid or already in use
            fd=9223372036854775807,set=1; fd is not valid or already in use
            """)
    void refusesInQemusWords(String argument, String text) {
        refuses(argument, text);
    }

    @Test
    void refusesASetThatIsMissingOrNegative() {
        refuses(option(""), "set option is required and must be non-negative");
        refuses(option(",set=-1"), "set option is required and must be non-negative");
        refuses(option(",set=18446744073709551615"), "set option is required and must be non-negative");
    }

    @Test
    void refusesADescriptorThatWasNotInherited() {
        // The JVM's own class library: open and not CLOEXEC, which passes QEMU's test.
        try (Fd own = Memfd.create("own", 4096)) {
            own.setCloseOnExec(false);
            refuses("fd=" + own.number() + ",set=1", "fd is not valid or already in use");
        }
    }

    @Test
    void refusesAnInheritedNumberThatIsNowClosedOrCloseOnExec() {
        inherited.setCloseOnExec(true);
        refuses(option(",set=1"), "fd is not valid or already in use");
        inherited.setCloseOnExec(false);
        sets = new FdSets(inherited.number(), 987_654);
        refuses("fd=987654,set=1", "fd is not valid or already in use");
    }

    @Test
    void takesADuplicateAndClosesTheOriginalOnce() {
        int number = inherited.number();
        sets.add(AddFd.parse("fd=0x" + Integer.toHexString(number) + ",set=07,opaque=RAM,, main"));
        sets.add(AddFd.parse(option(",set=9223372036854775807")));
        assertThat(Fd.isOpenAcrossExec(number)).isTrue();
        sets.closeOriginals();
        assertThat(Fd.isOpenAcrossExec(number)).isFalse();
        List<FdSet> all = sets.query();
        assertThat(all).extracting(FdSet::id).containsExactly(Long.MAX_VALUE, 7L);
        assertThat(all.get(1).fds()).extracting(FdInfo::opaque).containsExactly("RAM, main");
        assertThat(all.get(0).fds().get(0).opaque()).isNull();

        // Whatever is opened next may get the number: it is not closed again.
        try (EventFd next = new EventFd()) {
            sets.closeOriginals();
            assertThat(next.fd().statusFlags()).isNotNegative();
        }
        inherited = Memfd.create("another", 4096); // nor may this test close the number again
    }

    @Test
    void closesNoInheritedDescriptorThatNobodyNamed() {
        sets.closeOriginals();
        assertThat(inherited.stat().size()).isEqualTo(4096);
    }

    @Test
    void readsTheLaunchersList() {
        sets = FdSets.ofInherited("500," + inherited.number());
        sets.add(AddFd.parse(option(",set=1")));
        assertThat(sets.query()).hasSize(1);
        sets.close();
        sets = FdSets.ofInherited("");
        refuses(option(",set=1"), "fd is not valid or already in use");
        sets = FdSets.ofInherited(null);
        refuses(option(",set=1"), "fd is not valid or already in use");
    }

    @Test
    void opensADuplicateOfTheNewestWithTheAccessMode() {
        Fd first = Memfd.create("first", 4096);
        Fd second = Memfd.create("second", 8192);
        String own = "/proc/self/fd/" + second.number();
        sets.add(3, first, null);
        sets.add(3, second, null);
        sets.add(3, Fd.open(own, Fd.O_RDONLY), null);
        try (Fd opened = sets.open("/dev/fdset/3", Fd.O_RDWR)) {
            assertThat(opened.stat().size()).isEqualTo(8192);
            assertThat(opened.number()).isNotEqualTo(second.number());
            assertThat(Fd.isOpenAcrossExec(opened.number())).isFalse();
            assertThat(sets.remove(3)).isTrue();
            assertThat(second.isClosed()).isTrue();
            assertThat(opened.stat().size()).as("what was opened stays open").isEqualTo(8192);
        }
    }

    @Test
    void aSetThatIsMissingIsToldWithWhatToPass() {
        assertThatThrownBy(() -> sets.open("/dev/fdset/9", Fd.O_RDWR))
                .isInstanceOf(VmmException.class)
                .isNotInstanceOf(UsageException.class)
                .hasMessage("Failed to find fdset /dev/fdset/9: ENOENT (No such file or directory); "
                        + "did you forget to pass it with '--add-fd fd=<n>,set=<id>'?");
    }

    @Test
    void aWrongAccessModeIsToldWithBothAndWithoutThatHint() {
        String own = "/proc/self/fd/" + inherited.number();
        sets.add(3, Fd.open(own, Fd.O_RDONLY), null);
        assertThatThrownBy(() -> sets.open("/dev/fdset/3", Fd.O_RDWR))
                .hasMessage("Failed to find file descriptor with matching flags=0x2 in /dev/fdset/3: "
                        + "EACCES (Permission denied); its descriptors are open read-only, "
                        + "one that is open read-write is needed");
        sets.add(3, Fd.open(own, Fd.O_RDWR), null);
        sets.add(3, Fd.open(own, Fd.O_RDWR), null);
        assertThatThrownBy(() -> sets.open("/dev/fdset/3", Fd.O_WRONLY))
                .hasMessageContaining("flags=0x1")
                .hasMessageContaining("are open read-write or read-only, one that is open write-only is needed");
    }

    @ParameterizedTest
    @ValueSource(strings = {"x", "", "1x", "-1", "+1", " 1", "0x1", "1/2", "2147483648", "99999999999999999999", "١"})
    void anIdThatIsNoneIsToldAsSuch(String id) {
        assertThatThrownBy(() -> sets.open("/dev/fdset/" + id, Fd.O_RDWR))
                .hasMessage("Could not parse fdset /dev/fdset/" + id
                        + ": EINVAL (Invalid argument); a number from 0 to 2147483647 is expected");
    }

    @Test
    void isToldFromOtherPaths() {
        assertThat(FdSets.isFdSet("/dev/fdset/1")).isTrue();
        assertThat(FdSets.isFdSet("/dev/fdset")).isFalse();
        assertThat(FdSets.isFdSet("/dev/shm/fdset/1")).isFalse();
    }

    @Test
    void newSetsGetTheLowestFreeId() {
        assertThat(sets.addToNewSet(Memfd.create("a", 1), "a")).isZero();
        sets.add(1, Memfd.create("b", 1), null);
        assertThat(sets.addToNewSet(Memfd.create("c", 1), null)).isEqualTo(2);
        assertThat(sets.remove(0)).isTrue();
        assertThat(sets.addToNewSet(Memfd.create("d", 1), null)).isZero();
    }

    @Test
    void removesOneDescriptorAndTheSetWithTheLast() {
        Fd a = Memfd.create("a", 1);
        int numberOfA = sets.add(5, a, "a");
        int numberOfB = sets.add(5, Memfd.create("b", 1), "b");
        assertThat(sets.query())
                .containsExactly(new FdSet(5, List.of(new FdInfo(numberOfA, "a"), new FdInfo(numberOfB, "b"))));
        assertThat(sets.remove(5, 1234)).isFalse();
        assertThat(sets.remove(6, numberOfA)).isFalse();
        assertThat(sets.remove(6)).isFalse();
        assertThat(sets.remove(5, numberOfA)).isTrue();
        assertThat(a.isClosed()).isTrue();
        assertThat(sets.remove(5, numberOfA)).isFalse();
        assertThat(sets.remove(5, numberOfB)).isTrue();
        assertThat(sets.query()).isEmpty();
    }
}

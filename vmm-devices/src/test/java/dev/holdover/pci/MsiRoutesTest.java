package dev.holdover.pci;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.kvm.MsiRoute;
import dev.holdover.linux.VmmException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class MsiRoutesTest {
    private final List<List<MsiRoute>> tables = new ArrayList<>();
    private final MsiRoutes routes = new MsiRoutes();

    @Test
    void tellsKvmOnceAndOnlyOfChanges() {
        int first = routes.allocate(3);
        assertThat(first).isEqualTo(24);
        routes.set(first, 0xfee00000L, 1);
        routes.flush();
        routes.connect(tables::add);
        assertThat(tables).containsExactly(List.of(new MsiRoute(24, 0xfee00000L, 1)));
        routes.set(first, 0xfee00000L, 1);
        routes.set(first + 1, 0, 0);
        routes.flush();
        assertThat(tables).hasSize(1);
        routes.hold();
        routes.set(first + 2, 0xfee01000L, 2);
        routes.flush();
        routes.set(first, 0, 0);
        routes.flush();
        assertThat(tables).hasSize(1);
        routes.letGo();
        assertThat(tables).last().isEqualTo(List.of(new MsiRoute(26, 0xfee01000L, 2)));
    }

    @Test
    void takesNoMemoryForAMessage() {
        int gsi = routes.allocate(1);
        routes.connect(tables::add);
        for (long address : new long[] {0, 0x1000, 0xfed00000L, 0xfef00000L, 0x1fee00000L, -1}) {
            routes.set(gsi, address, 1);
        }
        routes.flush();
        assertThat(tables).isEmpty();
        routes.set(gsi, 0xfeeff00cL, 1);
        routes.flush();
        routes.set(gsi, 0, 1);
        routes.flush();
        assertThat(tables).hasSize(2).last().isEqualTo(List.of());
    }

    @Test
    void hasAsManyAsKvm() {
        assertThatThrownBy(() -> routes.allocate(4057)).isInstanceOf(VmmException.class);
        int most = routes.allocate(2048);
        int more = routes.allocate(2008);
        assertThat(more).isEqualTo(most + 2048);
        assertThatThrownBy(() -> routes.allocate(1)).hasMessageContaining("4056");
    }
}

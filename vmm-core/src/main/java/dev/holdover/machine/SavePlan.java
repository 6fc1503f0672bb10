package dev.holdover.machine;

import dev.holdover.linux.FileStat;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.ByteSize;
import dev.holdover.memory.FdSets;
import dev.holdover.memory.GuestMemory;
import dev.holdover.memory.Ram;
import dev.holdover.memory.RamConfig;
import dev.holdover.memory.RamIdentity;
import dev.holdover.vmstate.PageWriter;
import dev.holdover.vmstate.RamRegion;
import dev.holdover.vmstate.StateImage;
import dev.holdover.vmstate.StateLayout;
import java.util.ArrayList;
import java.util.List;

/** Decides, before the guest is stopped, which RAM stays where it is and which goes into the state, and refuses what is no use. */
final class SavePlan {
    private final RamIdentity identity;
    private final StateLayout layout;
    private final List<String> lines = new ArrayList<>();
    private final boolean kept;
    private final long copiedBytes;

    /** For a state that goes into a file. */
    SavePlan(MachineConfig config, Ram ram, RamIdentity identity, SaveOptions options) {
        this(config, ram, identity, options.ignoreShared() && config.ram().share());
        if (kept && !options.force()) {
            requireThatRamStays(config.ram(), ram);
        }
    }

    /** For a state that goes together with its RAM's descriptors to another VMM, or into a live update. */
    static SavePlan withRam(MachineConfig config, Ram ram, RamIdentity identity) {
        requireShared(config.ram());
        return new SavePlan(config, ram, identity, true);
    }

    /** Refuses RAM that nobody else can be given. */
    static void requireShared(RamConfig ram) {
        if (!ram.share()) {
            throw new VmmException("can't hand the guest's RAM over: it is private to this VMM"
                    + " (backend=anonymous or share=off); use --ram backend=memfd or a mem-path with share=on");
        }
    }

    /** Refuses a guest whose devices a file cannot hold. */
    static void requireNoPassthrough(MachineConfig config) {
        if (!config.vfio().isEmpty()) {
            throw new VmmException("can't save the guest to a file: it has "
                    + config.vfio().getFirst().host()
                    + " of the host, which loses what it knows of the guest with this VMM; hand the guest over to"
                    + " another VMM instead (handover, or a live update)");
        }
    }

    private SavePlan(MachineConfig config, Ram ram, RamIdentity identity, boolean kept) {
        this.identity = identity;
        RamConfig ramConfig = config.ram();
        this.kept = kept;
        String writer = SavePlan.class.getPackage().getImplementationVersion();
        this.layout = new StateLayout(
                "Holdover " + (writer == null ? "development" : writer),
                ConfigCodec.version(config),
                ConfigCodec.encode(config));
        String why = ramConfig.share() ? "x-ignore-shared is off" : "it is private (share=off)";
        List<GuestMemory.Region> regions = ram.memory().regions();
        for (int i = 0; i < regions.size(); i++) {
            GuestMemory.Region region = regions.get(i);
            String name = "ram" + i;
            layout.region(
                    kept
                            ? RamRegion.kept(name, region.gpa(), region.size(), region.fdOffset())
                            : RamRegion.copied(name, region.gpa(), region.size(), region.fdOffset(), region.shared()));
            lines.add(
                    name + ": " + ByteSize.text(region.size()) + (kept ? " kept in place" : " copied, because " + why));
        }
        this.copiedBytes = kept ? 0 : ram.memory().size();
    }

    private void requireThatRamStays(RamConfig config, Ram ram) {
        String otherwise = "; use --ram mem-path=FILE or an fdset, or save with x-ignore-shared off";
        if (config.backend() == RamConfig.Backend.MEMFD) {
            throw new VmmException("can't leave guest RAM in place: its memfd is this VMM's own and ends with it"
                    + otherwise + " (force saves all the same)");
        }
        boolean named = FdSets.isFdSet(config.memPath()) || isFile(ram);
        if (!named) {
            throw new VmmException("can't leave guest RAM in place: its file in " + config.memPath()
                    + " has no name and ends with this VMM" + otherwise + " (force saves all the same)");
        }
        if (identity == null) {
            throw new VmmException("can't leave guest RAM in place: " + ram.whyUnmarked() + otherwise);
        }
    }

    /** Whether the path names the very file that RAM is in. */
    private static boolean isFile(Ram ram) {
        FileStat stat = ram.memory().regions().getFirst().fd().stat();
        return stat.links() > 0;
    }

    StateLayout layout() {
        return layout;
    }

    /** Says which RAM the state belongs to, or copies it. The guest is paused. */
    void saveRam(Ram ram, StateImage image, PageWriter pages) {
        List<GuestMemory.Region> regions = ram.memory().regions();
        for (int i = 0; i < regions.size(); i++) {
            if (!kept) {
                pages.write(i, regions.get(i));
            } else if (identity != null) {
                image.identify(i, identity.id(), identity.generation(), RamIdentity.proof(regions.get(i)));
            }
        }
        if (!kept) {
            pages.finish();
        } else if (ram.onRealFileSystem()) {
            regions.getFirst().fd().sync();
        }
    }

    long copiedBytes() {
        return copiedBytes;
    }

    List<String> lines() {
        return lines;
    }
}

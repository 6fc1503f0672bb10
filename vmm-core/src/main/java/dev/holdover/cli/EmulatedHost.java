package dev.holdover.cli;

import java.nio.file.Path;
import java.util.Optional;

/**
 * The emulated host, in which guests run where the host has no KVM. A source tree can set one up, the packaged
 * distribution cannot.
 *
 * @param demo the script of the tree that shows the demo in one; empty if this is no tree
 * @param inside whether this process runs in one already
 */
record EmulatedHost(Optional<Path> demo, boolean inside) {
    /** As the launcher and the emulated host's init have set it up for this process. */
    static EmulatedHost ofProcess() {
        return new EmulatedHost(
                Optional.ofNullable(System.getProperty("dev.holdover.emulated-demo"))
                        .filter(path -> !path.isEmpty())
                        .map(Path::of),
                "1".equals(System.getenv("HOLDOVER_EMULATED_HOST")));
    }

    /** Whether one can be started from here. */
    boolean canStart() {
        return demo.isPresent() && !inside;
    }

    /** The command that opens a shell in one; only if one {@link #canStart can be started}. */
    String shellCommand() {
        return demo.orElseThrow().normalize().resolveSibling("run") + " --shell";
    }

    /** What is said behind the reason why there is no KVM: the way out, or nothing. */
    String hint() {
        return canStart() ? "; " + shellCommand() + " opens a shell in an emulated host, where this works" : "";
    }
}

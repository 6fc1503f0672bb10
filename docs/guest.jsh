// ./vmm jshell docs/guest.jsh
// A guest from Java: booted, stopped, looked at, saved, and taken up again by another machine. The lines of example() work
// one by one in a jshell, too.

import dev.holdover.kvm.state.*;
import dev.holdover.linux.VmmException;
import dev.holdover.machine.*;

// count.bin counts the rounds of its alphabet at 0x1000 and in EBP; a nonce at 0x1008 tells one boot from another.
Path image = Path.of("vmm-core/src/test/resources/guests/count.bin");
Path dir = Files.createTempDirectory(Path.of("/dev/shm"), "guest");

boolean example() throws Exception {
    Machine guest = MachineBuilder.firmware(image).
            memory("16M").
            ram("mem-path=" + dir.resolve("ram")).
            serial("file:" + dir.resolve("console")).
            build();
    guest.resume();
    while (guest.memory().getInt(0x1000) < 3) Thread.sleep(1);

    // Registers can be seen while it stands still; RAM any time.
    guest.pause();
    Regs registers = guest.registers(0);
    System.out.println("registers: " + registers);
    System.out.println("system:    " + guest.systemRegisters(0));
    int rounds = guest.memory().getInt(0x1000);
    long nonce = guest.memory().getLong(0x1008);
    System.out.println("rounds:    " + rounds + " in RAM, " + registers.get(Regs.RBP) + " in EBP");

    // RAM stays in its file, the rest is a state of some tens of KiB.
    SaveReport saved = guest.save(dir.resolve("state").toString(), SaveOptions.IN_PLACE);
    System.out.println("saved:     " + saved.transferred() + " bytes");
    guest.close();

    Machine again = Machine.restore(dir.resolve("state"));
    for (StartTimes.Part part : StartTimes.Part.values()) System.out.printf("%-10s %4d us%n", part, again.startTimes().nanos(part) / 1000);
    again.resume();
    while (again.memory().getInt(0x1000) < rounds + 3) Thread.sleep(1);
    again.pause();
    boolean same = again.memory().getLong(0x1008) == nonce;
    System.out.println("restored:  " + again.memory().getInt(0x1000) + " rounds, " + (same ? "the same boot" : "another boot"));
    again.close();
    return same;
}

// What the host or the guest does not allow, KVM that is missing for one, is an exception whose message is for users.
int exitCode = 1;
try {
    exitCode = example() ? 0 : 1;
} catch (VmmException e) {
    System.err.println(e.getMessage());
}

for (String file : List.of("ram", "state", "console")) Files.deleteIfExists(dir.resolve(file));
Files.delete(dir);
/exit exitCode

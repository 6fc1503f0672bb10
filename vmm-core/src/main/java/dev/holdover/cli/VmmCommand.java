package dev.holdover.cli;

import dev.holdover.linux.UsageException;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.HelpCommand;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;

@Command(
        name = "vmm",
        description = "Holdover: a KVM virtual machine monitor whose guests outlive a reboot of their host's kernel.",
        versionProvider = Version.class,
        customSynopsis = {"./vmm COMMAND [OPTION]...", "       ./vmm COMMAND --help"},
        footer = {
            "",
            "Exit codes: 0 the guest powered off or reset, 1 the VMM failed, 2 bad usage,",
            "3 the guest crashed, 4 a restore was refused; a guest that writes v to the",
            "debug-exit port: (v<<1)|1.",
            "",
            "Examples:",
            "  ./vmm demo",
            "  ./vmm run -k bzImage -i initrd.img -a \"console=ttyS0\"",
            "  ./vmm doctor"
        },
        subcommands = {
            DemoCommand.class,
            RunCommand.class,
            RestoreCommand.class,
            StandbyCommand.class,
            InspectCommand.class,
            CtlCommand.class,
            LuodCommand.class,
            LuoctlCommand.class,
            DoctorCommand.class,
            CompletionCommand.class,
            HelpCommand.class
        })
final class VmmCommand implements Callable<Integer> {
    @Mixin
    HelpOption help;

    @Option(
            names = {"-V", "--version"},
            versionHelp = true,
            description = "Shows the version.")
    boolean version;

    @Option(
            names = "--trace",
            scope = ScopeType.INHERIT,
            description = "On a failure print the stack trace, too.",
            hidden = true)
    boolean trace;

    @Override
    public Integer call() {
        throw new UsageException("no command is given; ./vmm --help lists them");
    }
}

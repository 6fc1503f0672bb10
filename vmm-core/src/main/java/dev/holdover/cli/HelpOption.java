package dev.holdover.cli;

import picocli.CommandLine.Option;

/** The one option that every command has. */
final class HelpOption {
    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            description = "Shows this help.")
    boolean help;
}

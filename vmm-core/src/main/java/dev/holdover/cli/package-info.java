/** The command line: options, help, messages for people and exit codes. */
package dev.holdover.cli;

/** Guest RAM: its regions, checked access to them, and where they come from (memfd, file, fdset, anonymous). */
package dev.holdover.memory;

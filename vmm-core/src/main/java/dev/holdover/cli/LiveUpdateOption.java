package dev.holdover.cli;

import dev.holdover.control.ControlHolder;
import dev.holdover.linux.UsageException;
import dev.holdover.liveupdate.Agent;
import dev.holdover.liveupdate.DeviceAgent;
import dev.holdover.liveupdate.LuodAgent;
import dev.holdover.liveupdate.SystemdAgent;
import dev.holdover.luod.LuodOptions;

/** The value of --live-update: who holds the guest while its VMM is away. */
final class LiveUpdateOption {
    static final String SYNTAX = "luod[,socket=PATH]|systemd|device[,holder=PATH]|none";

    private LiveUpdateOption() {}

    /** The agent that is meant; null for none, or if the option is not given. */
    static Agent agent(String text, String name) {
        if (text == null || text.equals("none")) {
            return null;
        }
        Agent agent = parse(NotEmpty.value("--live-update", text));
        if (name.isEmpty()) {
            throw new UsageException(
                    "--live-update needs a name, by which the next VMM asks for the guest: give --name");
        }
        return agent;
    }

    /** As the other, for a guest that boots: there is nothing to take from anybody. */
    static Agent agentOfNewGuest(String text, String name) {
        Agent agent = agent(text, name);
        if (agent instanceof DeviceAgent device && device.hasHolder()) {
            throw new UsageException("--live-update " + text + ": holder= goes with ./vmm restore only");
        }
        return agent;
    }

    private static Agent parse(String text) {
        String socket = "luod,socket=";
        if (text.equals("luod")) {
            return new LuodAgent(LuodOptions.DEFAULT_SOCKET);
        }
        if (text.startsWith(socket) && text.length() > socket.length()) {
            return new LuodAgent(text.substring(socket.length()));
        }
        if (text.equals("systemd")) {
            return new SystemdAgent();
        }
        if (text.equals("device")) {
            return new DeviceAgent();
        }
        String holder = "device,holder=";
        if (text.startsWith(holder) && text.length() > holder.length()) {
            return new DeviceAgent(new ControlHolder(text.substring(holder.length())));
        }
        throw new UsageException("--live-update " + text + ": expected " + SYNTAX);
    }
}

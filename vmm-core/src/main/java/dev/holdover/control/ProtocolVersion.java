package dev.holdover.control;

import java.util.LinkedHashMap;
import java.util.Map;

/** The QEMU whose protocol is spoken here, and who speaks it. */
final class ProtocolVersion {
    private ProtocolVersion() {}

    static Map<String, Object> json() {
        Map<String, Object> qemu = new LinkedHashMap<>();
        qemu.put("micro", 0);
        qemu.put("minor", 2);
        qemu.put("major", 10);
        String version = ProtocolVersion.class.getPackage().getImplementationVersion();
        Map<String, Object> json = new LinkedHashMap<>();
        json.put("qemu", qemu);
        json.put("package", version == null ? "Holdover" : "Holdover " + version);
        return json;
    }
}

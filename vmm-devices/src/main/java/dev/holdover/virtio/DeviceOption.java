package dev.holdover.virtio;

import dev.holdover.linux.UsageException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** An option's value of the form {@code key=value,key=value}; a comma within a value is doubled, as QEMU has it. */
final class DeviceOption {
    private DeviceOption() {}

    /**
     * The values by key.
     *
     * @param option its name, for errors
     * @throws UsageException for a key that is not one of {@code keys}, comes twice or has no value
     */
    static Map<String, String> parse(String option, String text, List<String> keys) {
        Map<String, String> values = new LinkedHashMap<>();
        int at = 0;
        while (at < text.length()) {
            StringBuilder part = new StringBuilder();
            while (at < text.length()) {
                char c = text.charAt(at++);
                if (c == ',') {
                    if (at == text.length() || text.charAt(at) != ',') {
                        break;
                    }
                    at++;
                }
                part.append(c);
            }
            int equals = part.indexOf("=");
            String key = equals < 0 ? part.toString() : part.substring(0, equals);
            if (!keys.contains(key) && equals < 0) {
                throw new UsageException(
                        option + " " + text + ": '" + key + "' is not KEY=VALUE; keys are " + String.join(", ", keys));
            }
            if (!keys.contains(key)) {
                throw new UsageException(
                        option + " " + text + ": unknown key '" + key + "'; known are " + String.join(", ", keys));
            }
            if (equals < 0 || equals == part.length() - 1) {
                throw new UsageException(option + " " + text + ": " + key + " has no value; write " + key + "=VALUE");
            }
            if (values.put(key, part.substring(equals + 1)) != null) {
                throw new UsageException(option + " " + text + ": " + key + " is given twice");
            }
        }
        return values;
    }
}

package dev.holdover.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.StreamWriteFeature;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import dev.holdover.machine.StateGroup;
import dev.holdover.machine.StateValue;
import dev.holdover.machine.StateView;
import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;

/** A state as JSON: numbers and sizes (bytes) as numbers, what is hexadecimal as texts, for it may have 64 bits. */
final class InspectJson {
    private InspectJson() {}

    static void print(StateView view, PrintStream out) {
        JsonFactory factory = JsonFactory.builder()
                .enable(JsonWriteFeature.ESCAPE_NON_ASCII)
                .disable(StreamWriteFeature.AUTO_CLOSE_TARGET)
                .build();
        try (JsonGenerator json = factory.createGenerator(out)) {
            json.useDefaultPrettyPrinter();
            json.writeStartObject();
            field(json, "header", view.header());
            if (view.machine() != null) {
                field(json, "machine", view.machine());
            }
            field(json, "ram", view.ram());
            field(json, "sections", view.sections());
            field(json, "vcpus", view.vcpus());
            field(json, "devices", view.devices());
            field(json, "timeline", view.timeline());
            json.writeArrayFieldStart("damages");
            for (String damage : view.damages()) {
                json.writeString(damage);
            }
            json.writeEndArray();
            json.writeEndObject();
        } catch (IOException e) {
            throw new UncheckedIOException("writing JSON", e);
        }
        out.println();
    }

    private static void field(JsonGenerator json, String name, StateValue value) throws IOException {
        json.writeFieldName(name);
        value(json, value);
    }

    private static void value(JsonGenerator json, StateValue value) throws IOException {
        switch (value) {
            case StateValue.Text text -> json.writeString(text.text());
            case StateValue.Count count -> json.writeNumber(count.value());
            case StateValue.Flag flag -> json.writeBoolean(flag.on());
            case StateValue.Size size -> json.writeNumber(size.bytes());
            case StateValue.Hex hex -> json.writeString(InspectText.hex(hex));
            case StateGroup group -> {
                json.writeStartObject();
                for (StateGroup.Field field : group.fields()) {
                    field(json, field.name(), field.value());
                }
                json.writeEndObject();
            }
            case StateValue.Items items -> {
                json.writeStartArray();
                for (StateValue item : items.items()) {
                    value(json, item);
                }
                json.writeEndArray();
            }
        }
    }
}

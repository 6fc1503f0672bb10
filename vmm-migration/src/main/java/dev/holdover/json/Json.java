package dev.holdover.json;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.PrettyPrinter;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.exc.StreamConstraintsException;
import com.fasterxml.jackson.core.exc.StreamReadException;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;
import com.fasterxml.jackson.core.util.Separators.Spacing;
import java.io.IOException;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** JSON values as Java's: Map, List, String, Number, Boolean and null. Read within limits, with QMP's error texts. */
public final class Json {
    public static final int MAX_DEPTH = 64;
    private static final int MAX_NUMBER = 100;

    private static final JsonFactory FACTORY = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(MAX_DEPTH)
                    .maxNumberLength(MAX_NUMBER)
                    .build())
            // Names are a client's: they must not fill a table that lives as long as the VMM.
            .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            // As QEMU does.
            .enable(JsonReadFeature.ALLOW_SINGLE_QUOTES)
            .enable(JsonWriteFeature.ESCAPE_NON_ASCII)
            .build();

    private Json() {}

    /** Reads one value, in UTF-8 and with nothing behind it. */
    public static Object parse(byte[] bytes) throws JsonException {
        String text;
        try {
            text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
        } catch (CharacterCodingException e) {
            throw new JsonException("JSON parse error, invalid UTF-8 sequence in string");
        }
        return parse(text);
    }

    public static Object parse(String text) throws JsonException {
        try (JsonParser parser = FACTORY.createParser(text)) {
            if (parser.nextToken() == null) {
                throw new JsonException("JSON parse error, expecting value");
            }
            Object value = value(parser);
            if (parser.nextToken() != null) {
                throw new JsonException("JSON parse error, expecting end of input");
            }
            return value;
        } catch (StreamConstraintsException e) {
            throw new JsonException(
                    e.getOriginalMessage().contains("nesting depth")
                            ? "JSON nesting depth limit exceeded"
                            : "JSON parse error, a number of more than " + MAX_NUMBER + " digits");
        } catch (StreamReadException e) {
            throw new JsonException("JSON parse error, " + reason(e.getOriginalMessage()));
        } catch (IOException e) {
            throw new UncheckedIOException("reading a string", e);
        }
    }

    /** A value as an object, its members in their order; null if it is none. */
    @SuppressWarnings("unchecked") // value() puts strings only as keys
    public static Map<String, Object> object(Object value) {
        return value instanceof Map ? (Map<String, Object>) value : null;
    }

    /** QEMU's words for what the library found. */
    private static String reason(String found) {
        if (found.startsWith("Unrecognized token '")) {
            int start = found.indexOf('\'') + 1;
            return "invalid keyword '" + found.substring(start, found.indexOf('\'', start)) + "'";
        } else if (found.startsWith("Duplicate")) {
            return "duplicate key";
        } else if (found.contains("expecting a colon")) {
            return "missing : in object pair";
        } else if (found.contains("expecting double-quote to start field name")
                || found.contains("expecting either valid name character")) {
            return "key is not a string in object";
        }
        return "expecting value";
    }

    private static Object value(JsonParser parser) throws IOException {
        JsonToken token = parser.currentToken();
        if (token == JsonToken.START_OBJECT) {
            Map<String, Object> object = new LinkedHashMap<>();
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String name = parser.currentName();
                parser.nextToken();
                object.put(name, value(parser));
            }
            return object;
        }
        if (token == JsonToken.START_ARRAY) {
            List<Object> array = new ArrayList<>();
            while (parser.nextToken() != JsonToken.END_ARRAY) {
                array.add(value(parser));
            }
            return array;
        }
        return switch (token) {
            case VALUE_STRING -> parser.getText();
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            case VALUE_NULL -> null;
            default -> number(parser);
        };
    }

    /** A Long if it is an integer that fits into one. */
    private static Number number(JsonParser parser) throws IOException {
        Number number = parser.getNumberValue();
        return number instanceof Integer ? (Number) number.longValue() : number;
    }

    /** On one line, as QEMU writes it. */
    public static String write(Object value) {
        return write(
                value,
                new DefaultPrettyPrinter(separators())
                        .withObjectIndenter(new DefaultPrettyPrinter.NopIndenter())
                        .withArrayIndenter(new DefaultPrettyPrinter.NopIndenter()));
    }

    /** On several lines, for people. */
    public static String writePretty(Object value) {
        return write(
                value,
                new DefaultPrettyPrinter(
                        separators().withObjectEntrySpacing(Spacing.NONE).withArrayValueSpacing(Spacing.AFTER)));
    }

    private static Separators separators() {
        return Separators.createDefaultInstance()
                .withRootSeparator("")
                .withObjectFieldValueSpacing(Spacing.AFTER)
                .withObjectEntrySpacing(Spacing.AFTER)
                .withArrayValueSpacing(Spacing.AFTER)
                .withObjectEmptySeparator("")
                .withArrayEmptySeparator("");
    }

    private static String write(Object value, PrettyPrinter printer) {
        StringWriter text = new StringWriter();
        try (JsonGenerator generator = FACTORY.createGenerator(text)) {
            generator.setPrettyPrinter(printer);
            write(generator, value);
        } catch (IOException e) {
            throw new UncheckedIOException("writing a string", e);
        }
        return text.toString();
    }

    private static void write(JsonGenerator generator, Object value) throws IOException {
        if (value instanceof Map<?, ?> object) {
            generator.writeStartObject();
            for (Map.Entry<?, ?> member : object.entrySet()) {
                generator.writeFieldName((String) member.getKey());
                write(generator, member.getValue());
            }
            generator.writeEndObject();
        } else if (value instanceof List<?> array) {
            generator.writeStartArray();
            for (Object element : array) {
                write(generator, element);
            }
            generator.writeEndArray();
        } else if (value instanceof Boolean bool) {
            generator.writeBoolean(bool);
        } else if (value == null) {
            generator.writeNull();
        } else if (value instanceof String string) {
            generator.writeString(string);
        } else {
            // An infinite one, which JSON does not know, can only be a client's own id.
            generator.writeNumber(value.toString());
        }
    }
}

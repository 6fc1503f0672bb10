package dev.holdover.control;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.holdover.linux.Fd;
import dev.holdover.linux.Memfd;
import dev.holdover.linux.VmmException;
import dev.holdover.memory.FdSets;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(60)
class ControlSocketTest {
    private static final String OK = "{\"return\": {}}";

    @TempDir
    private Path dir;

    private final FdSets fdsets = new FdSets();
    private String path;
    private ControlSocket socket;

    @BeforeEach
    void open() {
        path = dir.resolve("control").toString();
        socket = ControlSocket.openWithoutMachine(path, fdsets);
    }

    @AfterEach
    void close() {
        socket.close();
        fdsets.close();
        assertThat(Path.of(path)).doesNotExist();
    }

    private static String execute(String command, String arguments) {
        return "{'execute': '" + command + "', 'arguments': {" + arguments + "}}";
    }

    private static String error(String errorClass, String text) {
        return "{\"error\": {\"class\": \"" + errorClass + "\", \"desc\": \"" + text + "\"}}";
    }

    private static String error(String text) {
        return error("GenericError", text);
    }

    private static Fd memfd() {
        return Memfd.create("ram", 8 << 20);
    }

    @Test
    void aMemfdBacksRamAndIsGoneAfterwards() throws InterruptedException {
        try (QmpClient client = QmpClient.negotiated(path);
                Fd memfd = memfd()) {
            assertThat(client.ask(execute("add-fd", "'fdset-id': 1, 'opaque': 'ram'"), memfd))
                    .matches("\\{\"return\": \\{\"fdset-id\": 1, \"fd\": [0-9]+}}");
            String ram = "'qom-type': 'memory-backend-file', 'id': 'ram0', 'size': 8388608, 'share': true";
            assertThat(client.ask(execute("object-add", ram + ", 'mem-path': '/dev/fdset/1'")))
                    .isEqualTo(OK);
            assertThat(client.ask(execute("query-memdev", "")))
                    .startsWith("{\"return\": [{\"id\": \"ram0\", \"size\": 8388608, \"share\": true,");
            assertThat(client.ask(execute("object-del", "'id': 'ram0'"))).isEqualTo(OK);
            assertThat(client.ask(execute("remove-fd", "'fdset-id': 1"))).isEqualTo(OK);
            assertThat(client.ask(execute("query-fdsets", ""))).isEqualTo("{\"return\": []}");
            assertThat(openDescriptorsOf("memfd:ram")).isEqualTo(1);
            assertThat(client.ask(execute("quit", ""))).isEqualTo(OK);
            socket.awaitQuit();
        }
    }

    private static long openDescriptorsOf(String name) {
        long count = 0;
        for (File fd : new File("/proc/self/fd").listFiles()) {
            try {
                count += Files.readSymbolicLink(fd.toPath()).toString().contains(name) ? 1 : 0;
            } catch (IOException e) {
                // closed meanwhile
            }
        }
        return count;
    }

    @Test
    void aMissingSetIsToldWithWhatToDo() {
        try (QmpClient client = QmpClient.negotiated(path)) {
            String ram = "'qom-type': 'memory-backend-file', 'id': 'r', 'size': 8388608, 'mem-path': '/dev/fdset/9'";
            assertThat(client.ask(execute("object-add", ram)))
                    .startsWith("{\"error\": {\"class\": \"GenericError\", \"desc\": \"can't open backing store"
                            + " /dev/fdset/9 for guest RAM: ")
                    .contains("id you forget to pass", "add-fd fd=<n>,set=<id>");
        }
    }

    @Test
    void aDescriptorBelongsToTheRequestItCameWith() {
        try (QmpClient client = QmpClient.negotiated(path);
                Fd memfd = memfd();
                Fd other = memfd()) {
            long before = openDescriptorsOf("memfd:ram");
            // One write after the other, before the first is answered.
            client.send(execute("query-name", "") + execute("add-fd", "'fdset-id': 4"));
            client.send(execute("add-fd", "'fdset-id': 5"), memfd, other);
            client.send(execute("query-name", ""), memfd);
            client.send(execute("query-fdsets", ""));
            assertThat(client.reply()).isEqualTo(OK);
            assertThat(client.reply()).isEqualTo(error("No file descriptor supplied via SCM_RIGHTS"));
            assertThat(client.reply()).startsWith("{\"return\": {\"fdset-id\": 5, ");
            assertThat(client.reply()).isEqualTo(OK);
            assertThat(client.reply())
                    .matches("\\{\"return\": \\[\\{\"fdset-id\": 5, \"fds\": \\[\\{\"fd\": [0-9]+}]}]}");
            assertThat(openDescriptorsOf("memfd:ram")).isEqualTo(before + 1);
        }
    }

    // Framing

    @Test
    void negotiatesAsQemu() {
        try (QmpClient client = new QmpClient(path)) {
            assertThat(client.line())
                    .startsWith("{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 2, \"major\": 10},"
                            + " \"package\": \"Holdover")
                    .endsWith("\"}, \"capabilities\": []}}");
            String expecting = error("CommandNotFound", "Expecting capabilities negotiation with 'qmp_capabilities'");
            assertThat(client.ask("{\"execute\":\"query-status\"}")).isEqualTo(expecting);
            assertThat(client.ask("{\"execute\":\"nosuch\"}")).isEqualTo(expecting);
            assertThat(client.ask(
                            "{\"execute\":\"qmp_capabilities\",\"arguments\":{\"enable\":[]},\"id\":[1,{\"a\":2}]}"))
                    .isEqualTo("{\"return\": {}, \"id\": [1, {\"a\": 2}]}");
            assertThat(client.ask("{\"execute\":\"qmp_capabilities\"}"))
                    .isEqualTo(
                            error("CommandNotFound", "Capabilities negotiation is already complete, command ignored"));
            assertThat(client.ask("{\"execute\":\"nosuch\", \"id\": 7}"))
                    .isEqualTo(
                            "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"The command nosuch has not been"
                                    + " found\"}, \"id\": 7}");
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "garbage | JSON parse error, invalid keyword 'garbage'",
                "true | QMP input must be a JSON object",
                "[1] | QMP input must be a JSON object",
                "\"str\" | QMP input must be a JSON object",
                "{] | JSON parse error, expecting value",
                "} | JSON parse error, expecting value",
                "{\"execute\" \"stop\"} | JSON parse error, missing : in object pair",
                "{\"execute\":tru} | JSON parse error, invalid keyword 'tru'",
                "{\"a\":1,\"a\":2} | JSON parse error, duplicate key",
                "{} | QMP input lacks member 'execute'",
                "{\"execute\":5} | QMP input member 'execute' must be a string",
                "{\"execute\":\"stop\",\"arguments\":[]} | QMP input member 'arguments' must be an object",
                "{\"execute\":\"stop\",\"foo\":1} | QMP input member 'foo' is unexpected",
                "{\"execute\":\"stop\",\"arguments\":{\"bogus\":1}} | Parameter 'bogus' is unexpected",
                "{'execute':'add-fd','arguments':{'fdset-id':'x'}} |"
                        + " Invalid parameter type for 'fdset-id', expected: integer",
                "{'execute':'add-fd','arguments':{'fdset-id':1.5}} |"
                        + " Invalid parameter type for 'fdset-id', expected: integer",
                "{'execute':'add-fd','arguments':{'fdset-id':99999999999999999999}} |"
                        + " Invalid parameter type for 'fdset-id', expected: integer",
                "{'execute':'add-fd'} | No file descriptor supplied via SCM_RIGHTS",
                "{'execute':'remove-fd'} | Parameter 'fdset-id' is missing",
                "{'execute':'remove-fd','arguments':{'fdset-id':99}} | File descriptor named 'fdset-id:99' not found",
                "{'execute':'remove-fd','arguments':{'fdset-id':5,'fd':1234}} |"
                        + " File descriptor named 'fdset-id:5, fd:1234' not found",
                "{'execute':'object-add','arguments':{'qom-type':'memory-backend-file','id':'a'}} |"
                        + " Parameter 'size' is missing",
                "{'execute':'object-add','arguments':{'qom-type':'memory-backend-file','id':'a','size':4096}} |"
                        + " Parameter 'mem-path' is missing",
                "{'execute':'object-add','arguments':{'qom-type':'nope','id':'a'}} |"
                        + " Parameter 'qom-type' does not accept value 'nope'",
                "{'execute':'object-add','arguments':{'qom-type':'memory-backend-memfd','id':'a','size':'1M'}} |"
                        + " Parameter 'size' expects uint64",
                "{'execute':'object-add','arguments':{'qom-type':'memory-backend-memfd','id':'a','size':0}} |"
                        + " property 'size' of memory-backend-memfd doesn't take value '0'",
                "{'execute':'object-add','arguments':{'qom-type':'memory-backend-memfd','id':'1 x','size':4096}} |"
                        + " Parameter 'id' expects an identifier",
                "{'execute':'object-del','arguments':{'id':'zz'}} | object 'zz' not found",
                "{'execute':'migrate'} | Parameter 'uri' is missing",
                "{'execute':'migrate','arguments':{'uri':'nonsense:'}} | unknown migration protocol: nonsense:",
                "{'execute':'migrate','arguments':{'uri':'file:/nonexist/x'}} |"
                        + " Could not create '/nonexist/x': No such file or directory",
                "{'execute':'migrate-incoming','arguments':{'uri':'x'}} |"
                        + " '-incoming' was not specified on the command line",
                "{'execute':'migrate-set-capabilities','arguments':{'capabilities':{}}} |"
                        + " Invalid parameter type for 'capabilities', expected: array",
                "{'execute':'migrate-set-capabilities','arguments':{'capabilities':[5]}} |"
                        + " Invalid parameter type for 'capabilities[0]', expected: object",
                "{'execute':'migrate-set-capabilities','arguments':{'capabilities':[{'state':true}]}} |"
                        + " Parameter 'capabilities[0].capability' is missing",
                "{'execute':'migrate-set-capabilities','arguments':"
                        + "{'capabilities':[{'capability':'xbzrle','state':1}]}} |"
                        + " Invalid parameter type for 'capabilities[0].state', expected: boolean",
                "{'execute':'migrate-set-capabilities','arguments':"
                        + "{'capabilities':[{'capability':'foo','state':true}]}} |"
                        + " Parameter 'capability' does not accept value 'foo'",
                "{'execute':'cont'} | there is no guest: this VMM was started with --machine none"
            })
    void errorsAreInQemusWords(String request, String text) {
        try (QmpClient client = QmpClient.negotiated(path)) {
            assertThat(client.ask(request + "\n")).isEqualTo(error(text));
            assertThat(client.ask(execute("query-name", ""))).isEqualTo(OK);
        }
    }

    @Test
    void takesSeveralCommandsInOneWriteAndOneInMany() {
        try (QmpClient client = QmpClient.negotiated(path)) {
            StringBuilder many = new StringBuilder();
            for (int i = 0; i < 500; i++) {
                many.append("{\"execute\": \"query-name\", \"id\": ").append(i).append(i % 2 == 0 ? "}" : "}\r\n");
            }
            client.send(many.toString());
            for (int i = 0; i < 500; i++) {
                assertThat(client.reply()).isEqualTo("{\"return\": {}, \"id\": " + i + "}");
            }
            for (byte b : "{\n\"execute\":\t\"query-name\", \"id\": \"}{\\\"\"\n}".getBytes(StandardCharsets.UTF_8)) {
                client.send(new byte[] {b});
            }
            assertThat(client.reply()).isEqualTo("{\"return\": {}, \"id\": \"}{\\\"\"}");
        }
    }

    @Test
    void answersWhatWasSentBeforeTheClientShutItsSide() throws InterruptedException {
        QmpClient client = new QmpClient(path);
        client.send("{'execute':'qmp_capabilities'}{'execute':'quit'}");
        client.close();
        socket.awaitQuit();
    }

    @Test
    void survivesHostileInput() {
        byte[] huge = new byte[1 << 20];
        Arrays.fill(huge, (byte) 'x');
        huge[0] = '{';
        huge[1] = '"';
        try (QmpClient client = QmpClient.negotiated(path)) {
            client.send(huge);
            assertThat(client.ask("\n")).contains("a request of more than 65536 bytes");
            client.send("[".repeat(100_000) + "\n");
            assertThat(client.reply()).isEqualTo(error("JSON nesting depth limit exceeded"));
            client.send(new byte[] {'{', '"', 'a', '"', ':', '"', (byte) 0xc3, '"', '}'});
            assertThat(client.reply()).isEqualTo(error("JSON parse error, invalid UTF-8 sequence in string"));
            client.send(new byte[] {'{', '"', (byte) 0xff});
            assertThat(client.reply()).contains("stray");
            client.send("{\"execute\": \"query\n");
            assertThat(client.reply()).contains("control character 0xa in a string");
            client.send("{\"execute\": \"query-name\", \"id\": " + "9".repeat(5000) + "}");
            assertThat(client.reply()).contains("JSON parse error");
            assertThat(client.ask(execute("query-name", ""))).isEqualTo(OK);
        }
    }

    @Test
    void connectionsComeAndGo() {
        for (int i = 0; i < 100; i++) {
            QmpClient client = new QmpClient(path);
            if (i % 3 == 0) {
                client.send("{\"execute\": \"qmp_cap");
            } else if (i % 3 == 1) {
                client.line();
            }
            client.close();
        }
        List<QmpClient> many = new ArrayList<>();
        for (int i = 0; i < ControlSocket.MAX_CLIENTS; i++) {
            many.add(firstFreePlace());
        }
        try (QmpClient refused = new QmpClient(path)) {
            assertThat(refused.line()).contains("serves 8 control clients at a time");
            assertThat(refused.line()).isNull();
        }
        for (QmpClient client : many) {
            assertThat(client.ask(execute("query-name", ""))).isEqualTo(OK);
            client.close();
        }
        firstFreePlace().close();
    }

    /** Those who have just left may still be counted. */
    private QmpClient firstFreePlace() {
        while (true) {
            QmpClient client = new QmpClient(path);
            if (client.line().startsWith("{\"QMP\"")) {
                client.ask("{'execute':'qmp_capabilities'}");
                return client;
            }
            client.close();
        }
    }

    @Test
    void aClientThatNeverReadsIsDroppedAndHoldsUpNobody() {
        try (QmpClient deaf = QmpClient.negotiated(path);
                QmpClient other = QmpClient.negotiated(path)) {
            String request = "{\"execute\": \"query-commands\"}";
            for (int i = 0; i < 5000; i++) {
                deaf.send(request); // until the VMM hangs up: then it fails quietly
                if (i % 500 == 0) {
                    assertThat(other.ask(execute("query-name", ""))).isEqualTo(OK);
                }
            }
            int replies = 0;
            while (deaf.line() != null) {
                replies++;
            }
            assertThat(replies).isLessThan(5000);
            assertThat(other.ask(execute("query-name", ""))).isEqualTo(OK);
        }
    }

    @Test
    void mutatedRequestsHurtNobody() {
        Random random = new Random(3);
        List<String> valid = List.of(
                execute("add-fd", "'fdset-id': 1, 'opaque': 'x'"),
                execute("object-add", "'qom-type': 'memory-backend-memfd', 'id': 'a', 'size': 4096"),
                execute("object-del", "'id': 'a'"),
                execute("query-fdsets", ""),
                execute("migrate-set-capabilities", "'capabilities': [{'capability': 'events', 'state': true}]"),
                execute("migrate-set-parameters", "'mode': 'cpr-reboot', 'max-bandwidth': 5"),
                "{\"execute\": \"query-commands\", \"id\": [1.5e3, null, {\"a\": \"\\u00e4\"}]}");
        try (QmpClient client = QmpClient.negotiated(path)) {
            for (int i = 0; i < 5000; i++) {
                byte[] bytes = valid.get(random.nextInt(valid.size())).getBytes(StandardCharsets.UTF_8);
                for (int n = random.nextInt(4); n >= 0; n--) {
                    bytes[random.nextInt(bytes.length)] = (byte) random.nextInt(256);
                }
                client.send(bytes);
                // Whatever it was is thrown away, and everything before this is answered.
                String end = "{\"return\": {}, \"id\": \"end " + i + "\"}";
                client.send(new byte[] {(byte) 0xff, '\n'});
                client.send("{'execute': 'query-name', 'id': 'end " + i + "'}");
                String line = client.reply();
                while (!line.equals(end)) {
                    assertThat(line).matches("\\{\"(return|error)\": .*}").doesNotContain("a bug of this VMM");
                    line = client.reply();
                }
            }
        }
        try (QmpClient next = QmpClient.negotiated(path)) {
            assertThat(next.ask(execute("query-name", ""))).isEqualTo(OK);
        }
    }

    @Test
    void aSecondVmmIsRefusedAtTheSamePath() {
        assertThatThrownBy(() -> ControlSocket.openWithoutMachine(path, fdsets))
                .isInstanceOf(VmmException.class)
                .hasMessageContaining("another process listens on it");
    }
}

package dev.holdover.linux;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodType;
import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.util.Collections;

/**
 * The JDK's own way into {@code long syscall(long number, ...)}, without what its linker puts around it.
 *
 * <p>A handle of {@link java.lang.foreign.Linker} leads through classes that are generated for its signature when it is
 * made. In a fresh process, whose code is interpreted, that takes most of the time to the first system call, and no
 * archive of classes keeps them. They check and convert arguments, of which there are none here but longs: what is
 * underneath them takes these as they are, and makes the same call.
 *
 * <p>It is not the JDK's API. So this is for the one release whose parts are written down here, on a processor that has
 * these registers, and if they are exported to this code, as the manifest and the launchers do; elsewhere there is none,
 * and the caller takes the linker's. Sources: jdk/internal/foreign/abi of JDK 25, CallingSequenceBuilder.java and
 * x64/sysv/CallArranger.java.
 */
final class EntryPoint {
    private static final int RELEASE = 25;

    // x64/X86_64Architecture.java: StorageType, masks, numbers of registers.
    private static final byte INTEGER = 0;
    private static final byte STACK = 3;
    private static final byte PLACEHOLDER = 4;
    private static final short REG64_MASK = 15;
    private static final int RAX = 0;
    private static final int RCX = 1;
    private static final int RDX = 2;
    private static final int RSI = 6;
    private static final int RDI = 7;
    private static final int R8 = 8;
    private static final int R9 = 9;
    private static final int R10 = 10;
    private static final int R11 = 11;

    private static final short SLOT_BYTES = 8;
    private static final int STACK_ALIGNMENT = 16;

    // StubLocations.java, by ordinal; CapturableState.java.
    private static final int TARGET_ADDRESS = 0;
    private static final int CAPTURED_STATE_BUFFER = 2;
    private static final int ERRNO = 1 << 2;

    private EntryPoint() {}

    /**
     * A handle of type {@code (long function, long errno, long number, long a, long b, long c, long d, long e, long f,
     * long vectors) long}: {@code function} is the address of syscall(2), {@code errno} that of the int which the C library's
     * is written to, {@code vectors} how many vector registers hold arguments, 0. Null if it cannot be had here.
     *
     * <p>The method handles of core reflection would cost what is saved here: {@code -Djdk.reflect.useNativeAccessorOnly=true}.
     */
    static MethodHandle find() {
        try {
            return isKnown() ? make() : null;
        } catch (ReflectiveOperationException e) {
            // Not exported. Or the JDK has found no memory for code: then the linker says so.
            return null;
        }
    }

    /**
     * The address of a function of the C library; 0 if it cannot be had here. All libraries of the JDK's are linked to the C
     * library, so to look in those that are loaded will do. The linker's lookup loads one of its own first.
     */
    static long address(String function) {
        try {
            return isKnown() ? find(function) : 0;
        } catch (ReflectiveOperationException e) {
            return 0;
        }
    }

    private static long find(String function) throws ReflectiveOperationException {
        Class<?> loader = Class.forName("jdk.internal.loader.BootLoader");
        // In every JVM's memory, but not always known to the loader yet.
        loader.getMethod("loadLibrary", String.class).invoke(null, "java");
        Object libraries = loader.getMethod("getNativeLibraries").invoke(null);
        return (long) libraries.getClass().getMethod("find", String.class).invoke(libraries, function);
    }

    private static boolean isKnown() {
        return Runtime.version().feature() == RELEASE && "amd64".equals(System.getProperty("os.arch"));
    }

    private static MethodHandle make() throws ReflectiveOperationException {
        Class<?> storage = Class.forName("jdk.internal.foreign.abi.VMStorage");
        Constructor<?> place = storage.getConstructor(byte.class, short.class, int.class);
        Class<?> storages = storage.arrayType();
        Object rax = place.newInstance(INTEGER, REG64_MASK, RAX);
        Object r10 = place.newInstance(INTEGER, REG64_MASK, R10);
        Object r11 = place.newInstance(INTEGER, REG64_MASK, R11);

        // What the arguments stand in, by the C calling convention; that is variadic, and counts vector registers in
        // RAX.
        Object[] arguments = (Object[]) Array.newInstance(storage, 10);
        arguments[0] = place.newInstance(PLACEHOLDER, SLOT_BYTES, TARGET_ADDRESS);
        arguments[1] = place.newInstance(PLACEHOLDER, SLOT_BYTES, CAPTURED_STATE_BUFFER);
        arguments[2] = place.newInstance(INTEGER, REG64_MASK, RDI);
        arguments[3] = place.newInstance(INTEGER, REG64_MASK, RSI);
        arguments[4] = place.newInstance(INTEGER, REG64_MASK, RDX);
        arguments[5] = place.newInstance(INTEGER, REG64_MASK, RCX);
        arguments[6] = place.newInstance(INTEGER, REG64_MASK, R8);
        arguments[7] = place.newInstance(INTEGER, REG64_MASK, R9);
        arguments[8] = place.newInstance(STACK, SLOT_BYTES, 0);
        arguments[9] = rax;
        Object[] result = (Object[]) Array.newInstance(storage, 1);
        result[0] = rax;
        Object[] scratch = (Object[]) Array.newInstance(storage, 2);
        scratch[0] = r10;
        scratch[1] = r11;
        Object none = Array.newInstance(storage, 0);

        // No vector register is an argument or a result, and a call from Java saves none.
        Object abi = Class.forName("jdk.internal.foreign.abi.x64.X86_64Architecture")
                .getMethod(
                        "abiFor", storages, storages, storages, storages, int.class, storages, storages, int.class,
                        int.class, storage, storage)
                .invoke(null, result, none, result, none, 0, scratch, none, STACK_ALIGNMENT, 0, r10, r11);

        MethodType type = MethodType.methodType(long.class, Collections.nCopies(arguments.length, long.class));
        Class<?> entryPoint = Class.forName("jdk.internal.foreign.abi.NativeEntryPoint");
        Object made = entryPoint
                .getMethod(
                        "make",
                        abi.getClass(),
                        storages,
                        storages,
                        MethodType.class,
                        boolean.class,
                        int.class,
                        boolean.class,
                        boolean.class)
                // No buffer for results; errno is kept; the thread leaves Java, so that a collection waits for no call.
                .invoke(null, abi, arguments, result, type, false, ERRNO, true, false);
        Object access = Class.forName("jdk.internal.access.SharedSecrets")
                .getMethod("getJavaLangInvokeAccess")
                .invoke(null);
        return (MethodHandle) Class.forName("jdk.internal.access.JavaLangInvokeAccess")
                .getMethod("nativeMethodHandle", entryPoint)
                .invoke(access, made);
    }
}

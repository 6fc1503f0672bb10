package dev.holdover.platform;

/** An input of the machine's interrupt controllers, held high or low. Any thread; does not block. */
@FunctionalInterface
public interface InterruptLine {
    void set(boolean high);
}

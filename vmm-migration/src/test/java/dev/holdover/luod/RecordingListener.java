package dev.holdover.luod;

import static org.assertj.core.api.Assertions.assertThat;

import dev.holdover.linux.Fd;
import dev.holdover.linux.Patience;
import dev.holdover.liveupdate.Session;
import dev.holdover.liveupdate.Tokens;
import dev.holdover.liveupdate.UpdateListener;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** A VMM that preserves one memfd as its RAM and one as its state, and tells what it was asked. */
public final class RecordingListener implements UpdateListener, AutoCloseable {
    private final BlockingQueue<String> calls = new LinkedBlockingQueue<>();
    private final Fd ram;
    private final Fd state;
    public volatile RuntimeException failure;
    private volatile boolean prepared;
    private volatile boolean ready;

    public RecordingListener(long word) {
        ram = PlainClient.memfd(word);
        state = PlainClient.memfd(word + 1);
    }

    @Override
    public void prepare(Session session) {
        session.preserve(ram, Tokens.ram(0));
        prepared = true;
        calls.add("prepare");
    }

    @Override
    public void preserve(Session session) {
        if (failure != null) {
            throw failure;
        }
        if (!prepared) {
            session.preserve(ram, Tokens.ram(0));
        }
        session.preserve(state, Tokens.STATE);
        ready = true;
        calls.add("preserve");
    }

    @Override
    public void aborted(String reason) {
        prepared = false;
        ready = false;
        calls.add("aborted: " + reason);
    }

    @Override
    public void turned() {
        prepared = false;
        ready = false;
        calls.add("turned");
    }

    public void expect(String call) throws InterruptedException {
        assertThat(calls.poll(Patience.host().seconds(20), TimeUnit.SECONDS)).isEqualTo(call);
    }

    public void expectStart(String call) throws InterruptedException {
        assertThat(calls.poll(Patience.host().seconds(20), TimeUnit.SECONDS))
                .isNotNull()
                .startsWith(call);
    }

    /** It has preserved everything, and was told nothing since. */
    public boolean isReady() {
        return ready;
    }

    public boolean heardNothing() {
        return calls.isEmpty();
    }

    /** That a session holds what a listener of that word has preserved. */
    public static void check(Session session, long word) {
        try (Fd ram = session.retrieve(Tokens.ram(0));
                Fd state = session.retrieve(Tokens.STATE)) {
            assertThat(PlainClient.word(ram)).isEqualTo(word);
            assertThat(PlainClient.word(state)).isEqualTo(word + 1);
        }
    }

    @Override
    public void close() {
        ram.close();
        state.close();
    }
}

package dev.holdover.virtio;

import dev.holdover.linux.EventLoop;

/** A device of two queues that copies the readable part of a request into its writable part. */
final class EchoDevice extends VirtioDevice {
    static final int ID = 63;

    EchoDevice(EventLoop.FailureHandler onFailure) {
        super("echo", ID, 2, 2, new ConfigSpace(new byte[] {1, 2, 3, 4, 5, 6, 7, 8}), onFailure);
    }

    @Override
    void process(int index, VirtQueue queue) {
        for (DescriptorChain chain = queue.next(); chain != null; chain = queue.next()) {
            int length = (int) Math.min(chain.readable.byteSize(), chain.writable.byteSize());
            byte[] bytes = new byte[length];
            for (int i = 0; i < length; i++) {
                bytes[i] = (byte) chain.readable.get(i, 1);
            }
            chain.writable.put(bytes, length);
            queue.push(chain.head(), length);
            queue.publish();
        }
        interrupt(queue);
    }
}

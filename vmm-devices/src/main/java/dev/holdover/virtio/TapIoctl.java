package dev.holdover.virtio;

/** Numbers of linux/if_tun.h for x86-64, and of struct ifreq (linux/if.h): name@0 (16 bytes), flags@16 (2). */
final class TapIoctl {
    static final int IFREQ_SIZE = 40;
    static final int IFREQ_FLAGS = 16;
    /** IFNAMSIZ, with the NUL. */
    static final int NAME_SIZE = 16;

    static final int TUNSETIFF = 0x400454ca;
    static final int TUNSETOFFLOAD = 0x400454d0;
    static final int TUNSETVNETHDRSZ = 0x400454d8;

    static final int IFF_TAP = 0x0002;
    static final int IFF_NO_PI = 0x1000;
    static final int IFF_VNET_HDR = 0x4000;

    static final int TUN_F_CSUM = 0x01;
    static final int TUN_F_TSO4 = 0x02;
    static final int TUN_F_TSO6 = 0x04;

    private TapIoctl() {}
}

/**
 * Live update: who holds a guest's RAM and state while its VMM is away, and how a VMM talks to them.
 *
 * <p>A {@link dev.holdover.liveupdate.Session} holds files by {@link dev.holdover.liveupdate.Tokens token}. An
 * {@link dev.holdover.liveupdate.Agent} holds sessions: luod, systemd, or the VMM itself. With luod:
 *
 * <pre>
 *   VMM                                luod                                luoctl
 *    │ {"cmd":"SUBSCRIBE","id":"vm1"}    │                                    │
 *    ├──────────────────────────────────►│                       KEXEC        │
 *    │                                   │◄───────────────────────────────────┤
 *    │ {"event":"PREPARE"} + session     │        only for a client that said "version":1
 *    │◄──────────────────────────────────┤
 *    │ guest runs; RAM is preserved      │
 *    │ {"cmd":"PREPARED"}                │
 *    ├──────────────────────────────────►│        when all are
 *    │ {"event":"START_PRESERVATION"}    │        with the session for a client of the plain protocol
 *    │◄──────────────────────────────────┤
 *    │ guest is paused; state            │
 *    │ {"cmd":"READY"}                   │
 *    ├──────────────────────────────────►│        when all are: sync(2), reboot(2)
 *    ╪═══════════════════════════════════╪═══════════════ the next kernel
 *    │ {"cmd":"CLAIM","id":"vm1"}        │
 *    ├──────────────────────────────────►│
 *    │ {"event":"SESSION"} + session     │
 *    │◄──────────────────────────────────┤
 *    │ files are retrieved, guest runs, FINISH
 * </pre>
 *
 * <p>What fails before reboot(2) is an abort: luod releases all sessions, then tells; everything is as before. The end
 * of luod's connection is an abort, too.
 */
package dev.holdover.liveupdate;

package dev.holdover.kvm;

import dev.holdover.linux.VmmException;

/** This process cannot use KVM. The message is {@link KvmProblem#sentence}. */
public final class KvmUnavailable extends VmmException {
    private static final long serialVersionUID = 1L;

    private final transient KvmProblem problem;

    public KvmUnavailable(KvmProblem problem) {
        super(problem.sentence());
        this.problem = problem;
    }

    /** Why. */
    public KvmProblem problem() {
        return problem;
    }
}

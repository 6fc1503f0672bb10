package dev.holdover.testing;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * The test opens /dev/kvm. It has the tag {@code kvm}, and it is skipped on a host where /dev/kvm cannot be opened. In a class
 * with other tests, the methods carry the annotation and not the class.
 */
@Target({ElementType.TYPE, ElementType.METHOD})
@Retention(RetentionPolicy.RUNTIME)
@Tag("kvm")
@ExtendWith({ShareCondition.class, KvmCondition.class})
public @interface NeedsKvm {}

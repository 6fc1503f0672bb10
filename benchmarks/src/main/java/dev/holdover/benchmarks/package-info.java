/**
 * Benchmarks, each beside its reference. In one process with JMH: {@link dev.holdover.benchmarks.RestoreBenchmark}, {@link
 * dev.holdover.benchmarks.SaveBenchmark}, {@link dev.holdover.benchmarks.ExitBenchmark}, {@link
 * dev.holdover.benchmarks.InterruptBenchmark}, {@link dev.holdover.benchmarks.StateBenchmark}, whose reference is {@link
 * dev.holdover.benchmarks.Floor}: the same system calls with nothing around them. Of whole processes: {@link
 * dev.holdover.benchmarks.ColdStarts}, beside QEMU. {@link dev.holdover.benchmarks.Bench} runs them in rounds and makes
 * the page.
 */
package dev.holdover.benchmarks;

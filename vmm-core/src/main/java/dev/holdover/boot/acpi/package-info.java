/**
 * The ACPI tables: one class a table, and as much of AML as the DSDT needs. Tables are built as bytes with their lengths
 * and checksums, then copied into guest RAM.
 */
package dev.holdover.boot.acpi;

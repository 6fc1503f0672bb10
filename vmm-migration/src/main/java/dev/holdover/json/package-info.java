/** JSON values as Java's, for the sockets that speak it. Loaded only when one is opened. */
package dev.holdover.json;

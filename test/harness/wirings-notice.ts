/** Owns the last word of a test run that could not try every wiring. */
import { findNatsServer } from "./nats-server.ts";

export async function teardown(): Promise<void> {
  if ((await findNatsServer()) === undefined) console.warn("wiring 3 (apart-nats) NOT RUN: install nats-server");
}

/** Owns that a promise which fails with nobody waiting for it, always a defect, does not end the process with all its calls. */
import type { Logger } from "#platform/logger.ts";

export function surviveDefects(logger: Logger): void {
  process.on("unhandledRejection", (error) => logger.error({ error }, "something failed that nobody waited for: a defect; the process goes on"));
}

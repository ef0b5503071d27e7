/** Owns waiting for something that is not there yet: tried again, ever less often, until it is. */
import { GatewayError } from "./errors.ts";
import type { Logger } from "./logger.ts";

const firstDelayMs = 200;
const longestDelayMs = 3_000;

/** Resolves to what the attempt resolves to. DEPENDENCY_UNAVAILABLE means "not yet"; any other failure is thrown. */
export async function waitFor<T>(name: string, attempt: () => Promise<T>, logger: Logger): Promise<T> {
  for (let delayMs = firstDelayMs; ; delayMs = Math.min(delayMs * 2, longestDelayMs)) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof GatewayError) || error.reason !== "DEPENDENCY_UNAVAILABLE") throw error;
      logger.warn({ waitingFor: name, error, retryInMs: delayMs }, "not there yet; trying again");
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }
}

/** Owns warning, in the log, of targets that routes name and no provider has: once, until they are others. */
import type { Logger } from "#platform/logger.ts";
import { missingTargets, type PlanningView } from "./domain/targets/plan.ts";

/** Routes and providers of a changed configuration come one after the other: what is missing for a moment is not told. */
const tellAfterMs = 5_000;

/** To be called whenever routes or providers change. Services apart cannot tell before: providers are known to the one that has their keys. */
export function missingTargetsTeller(logger: Logger): (view: PlanningView) => void {
  let told = "";
  let latest: PlanningView;
  let settling: NodeJS.Timeout | undefined;
  const tell = (): void => {
    settling = undefined;
    const missing = missingTargets(latest).join(", ");
    if (missing !== "" && missing !== told) logger.warn({ targets: missing, providers: [...latest.providers.keys()] }, "routes have targets that name no provider, or a model that theirs is not to be asked for; they are passed over");
    told = missing;
  };
  return (view) => {
    latest = view;
    settling ??= setTimeout(tell, tellAfterMs).unref();
  };
}

/** Owns that the log says which targets of routes cannot be asked: once, until they are others. */
import type { Logger } from "#platform/logger.ts";
import { missingTargets, type PlanningView } from "./domain/plan.ts";

/** To be called whenever routes or providers change. Services apart cannot tell before: providers are known to the one that has their keys. */
export function missingTargetsTeller(logger: Logger): (view: PlanningView) => void {
  let told = "";
  return (view) => {
    const missing = missingTargets(view).join(", ");
    if (missing !== "" && missing !== told) logger.warn({ targets: missing, providers: [...view.providers.keys()] }, "routes have targets that name no provider, or a model that theirs is not to be asked for; they are passed over");
    told = missing;
  };
}

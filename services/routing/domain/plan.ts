/** Owns the plan: from the name a caller gave to the targets to try. */
import type { Provider } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { nearestNames } from "./nearest-names.ts";
import { asListed, type TargetOrder } from "./target-order.ts";

/** Where one attempt can go. */
export interface Target {
  /** `provider/model`. */
  readonly name: string;
  readonly provider: Provider;
  /** The model, by the vendor's name. */
  readonly model: string;
  /** What its health is kept under: models the catalogue does not know share one circuit per provider, so that names made up by callers cost nothing. */
  readonly breakerName: string;
}

/** What a name of the configuration stands for. */
export interface Route {
  /** As `provider/model`. */
  readonly targets: readonly string[];
  /** In which they are tried. */
  readonly order: TargetOrder;
  /** After how long without a reply the next one is asked beside a target; undefined for never. */
  readonly hedgeAfterMs?: number | undefined;
  /** What a target cannot honour is refused instead of warned of. */
  readonly strict: boolean;
}

export interface Plan {
  /** The route's name; empty when the caller named the target. */
  readonly route: string;
  /** As in Route. */
  readonly strict: boolean;
  /** As in Route. */
  readonly order: TargetOrder;
  /** As in Route. */
  readonly hedgeAfterMs?: number | undefined;
  readonly targets: readonly Target[];
}

/** What can be planned with: the routes of the configuration and the catalogue that providers push. */
export interface PlanningView {
  readonly routes: ReadonlyMap<string, Route>;
  readonly providers: ReadonlyMap<string, Provider>;
}

/**
 * The targets for `model`, as listed: a route's name, `provider/model`, or a bare model that exactly one provider lists.
 * Throws MODEL_NOT_FOUND with the nearest names.
 */
export function planTargets(model: string, view: PlanningView): Plan {
  const route = view.routes.get(model);
  if (route !== undefined) {
    const targets = route.targets.map((name) => targetNamed(name, view)).filter((target) => target !== undefined);
    if (targets.length > 0) return { ...route, route: model, targets };
  }
  const named = targetNamed(model, view) ?? onlyListed(model, view);
  if (named !== undefined) return { route: "", strict: false, order: asListed, targets: [named] };
  throw modelNotFound(model, view);
}

/** The target of a `provider/model`; undefined when its provider is not there, or is held to a list without it. */
export function targetNamed(name: string, { providers }: PlanningView): Target | undefined {
  const slash = name.indexOf("/");
  const provider = slash > 0 ? providers.get(name.slice(0, slash)) : undefined;
  const model = name.slice(slash + 1);
  if (provider === undefined || model === "") return undefined;
  const isListed = provider.models.includes(model);
  if (provider.onlyListedModels && !isListed) return undefined;
  return { name, provider, model, breakerName: isListed ? name : provider.name };
}

/** Every name a caller can use: routes first, then `provider/model`, each in order. */
export function* callableNames({ routes, providers }: PlanningView): Iterable<string> {
  yield* [...routes.keys()].sort();
  for (const provider of [...providers.values()].sort((left, right) => (left.name < right.name ? -1 : 1))) {
    for (const model of [...provider.models].sort()) yield `${provider.name}/${model}`;
  }
}

function onlyListed(model: string, view: PlanningView): Target | undefined {
  const owners = [...view.providers.values()].filter((provider) => provider.models.includes(model));
  return owners.length === 1 ? targetNamed(`${owners[0]!.name}/${model}`, view) : undefined;
}

function modelNotFound(model: string, view: PlanningView): GatewayError {
  const nearest = nearestNames(model, callableNames(view));
  const shown = model.length > 100 ? `${model.slice(0, 100)}…` : model;
  const advice = nearest.length > 0 ? `Did you mean ${nearest.map((name) => `"${name}"`).join(" or ")}?` : "GET /v1/models lists what there is.";
  return new GatewayError("MODEL_NOT_FOUND", `No route or model is called "${shown}". ${advice}`, { metadata: { model: shown, nearest: nearest.join(",") } });
}

/** Owns the plan: from the name a caller gave to the targets to try. */
import type { Provider } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { nearestNames } from "./nearest-names.ts";
import { caseFor, type RouteCase, type RoutingFacts, type TakenCase } from "./route-case.ts";
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
  /** What some calls have in place of the targets: the first that holds. */
  readonly cases: readonly RouteCase[];
  /** In which they are tried. */
  readonly order: TargetOrder;
  /** After how long without a reply the next one is asked beside a target; undefined for never. */
  readonly hedgeAfterMs?: number | undefined;
  /** How often a target is asked again after a failure that may pass. */
  readonly retries: number;
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
  /** As in Route. */
  readonly retries: number;
  /** The case of the route that gives the targets; undefined where they are the route's own. */
  readonly takenCase?: TakenCase;
  readonly targets: readonly Target[];
}

/** What can be planned with: the routes of the configuration and the catalogue that providers push. */
export interface PlanningView {
  readonly routes: ReadonlyMap<string, Route>;
  readonly providers: ReadonlyMap<string, Provider>;
}

/**
 * The targets of a call of `model`, as listed: a route's name, `provider/model`, or a bare model that exactly one provider lists.
 * Throws MODEL_NOT_FOUND with the nearest names.
 */
export function planTargets(model: string, view: PlanningView, facts: () => RoutingFacts): Plan {
  const route = view.routes.get(model);
  const takenCase = route && caseFor(route.cases, facts);
  const plan = planAmong(takenCase?.routeCase.targets ?? route?.targets ?? nowhere, model, view);
  return takenCase === undefined || plan.route === "" ? plan : { ...plan, takenCase };
}

/** The same of all calls of `model`, whatever they are: each target that any of them can come to. */
export function planEveryTarget(model: string, view: PlanningView): Plan {
  return planAmong(everyTargetOf(model, view.routes), model, view);
}

/** Of a route its own, then those of its cases; of any other name itself. */
export function everyTargetOf(name: string, routes: PlanningView["routes"]): readonly string[] {
  const route = routes.get(name);
  if (route === undefined) return [name];
  return [...new Set([...route.targets, ...route.cases.flatMap(({ targets }) => targets)])];
}

/** The way to this target alone, by no route. */
export function directPlan(target: Target): Plan {
  return { route: "", strict: false, order: asListed, retries: 0, targets: [target] };
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

const nowhere: readonly string[] = [];

function planAmong(names: readonly string[], model: string, view: PlanningView): Plan {
  const route = view.routes.get(model);
  if (route !== undefined) {
    const { strict, order, hedgeAfterMs, retries } = route;
    const targets = names.map((name) => targetNamed(name, view)).filter((target) => target !== undefined);
    if (targets.length > 0) return { route: model, strict, order, hedgeAfterMs, retries, targets };
  }
  const named = targetNamed(model, view) ?? onlyListed(model, view);
  if (named !== undefined) return directPlan(named);
  throw route === undefined ? modelNotFound(model, view) : new NoTarget(model);
}

function onlyListed(model: string, view: PlanningView): Target | undefined {
  const owners = [...view.providers.values()].filter((provider) => provider.models.includes(model));
  return owners.length === 1 ? targetNamed(`${owners[0]!.name}/${model}`, view) : undefined;
}

/** The targets of routes that cannot be asked, because their provider is not there or is held to a list without them. */
export function missingTargets(view: PlanningView): string[] {
  const names = new Set([...view.routes.keys()].flatMap((route) => everyTargetOf(route, view.routes)));
  return [...names].filter((name) => targetNamed(name, view) === undefined);
}

/** A route none of whose targets can be asked. */
export class NoTarget extends GatewayError {
  constructor(route: string) {
    super("MODEL_NOT_FOUND", `The route "${route}" has no target that can be asked: their providers are not there. Whoever runs Weir finds them in its log, and can mend the route.`, { metadata: { model: route } });
  }
}

function modelNotFound(model: string, view: PlanningView): GatewayError {
  const nearest = nearestNames(model, callableNames(view));
  const shown = model.length > 100 ? `${model.slice(0, 100)}…` : model;
  const advice = nearest.length > 0 ? `Did you mean ${nearest.map((name) => `"${name}"`).join(" or ")}?` : "GET /v1/models lists what there is.";
  return new GatewayError("MODEL_NOT_FOUND", `No route or model is called "${shown}". ${advice}`, { metadata: { model: shown, nearest: nearest.join(",") } });
}

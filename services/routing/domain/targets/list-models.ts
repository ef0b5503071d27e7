/** Owns the names a caller can use as `model`: all of them, or one; and which providers behind them cannot be called. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { ModelSchema, ProviderProblemSchema, RouteFactsSchema, type Model, type ProviderProblem, type RouteFacts } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { Grant } from "#gen/weir/policy/v1/grant_pb.ts";
import { Reach } from "#gen/weir/policy/v1/role_pb.ts";
import { Permission } from "#gen/weir/types/v1/method_pb.ts";
import { authorizePlan, mayReach, mayUseModel, providerOf } from "../admission/admit.ts";
import { factsOf } from "./fitness.ts";
import { callableNames, everyTargetOf, planEveryTarget, targetNamed, type PlanningView, type Route, type Target } from "./plan.ts";

/** Routes first, then `provider/model`, each by name; only what the grant allows. */
export function listModels(view: PlanningView, grant: Grant): Model[] {
  return [...callableNames(view)]
    .filter((name) => mayUseModel(name, grant) && everyTargetOf(name, view.routes).some((target) => mayReach(providerOf(target), grant)))
    .map((name) => modelNamed(name, view.routes.get(name), everyTargetOf(name, view.routes).map((target) => targetNamed(target, view)), grant));
}

/** What this name calls. Throws MODEL_NOT_FOUND or MODEL_NOT_ALLOWED, as a call of it would. */
export function getModel(name: string, view: PlanningView, grant: Grant): Model {
  const plan = authorizePlan(name, planEveryTarget(name, view), grant);
  return modelNamed(name, plan.route === "" ? undefined : view.routes.get(name), plan.targets, grant);
}

/** For who may see the installation's credentials: nobody else can do anything about it, and each call says that it failed. */
export function providerProblems({ providers }: PlanningView, { reach, permissions }: Grant): ProviderProblem[] {
  if (reach !== Reach.INSTALLATION || !permissions.includes(Permission.CREDENTIAL_READ)) return [];
  return [...providers.values()].filter(({ credentialProblem }) => credentialProblem !== "").map(({ name, credentialProblem }) => create(ProviderProblemSchema, { provider: name, description: credentialProblem }));
}

/** `everyTarget` is all that calls of it may come to. */
function modelNamed(name: string, route: Route | undefined, everyTarget: readonly (Target | undefined)[], grant: Grant): Model {
  const model = create(ModelSchema, { name, targets: [...(route?.targets ?? [name])], isRoute: route !== undefined });
  const routing = route && routeFacts(route, grant);
  if (routing !== undefined) model.routing = routing;
  const [only] = everyTarget;
  const facts = only === undefined || everyTarget.length > 1 ? undefined : factsOf(only);
  if (facts !== undefined) model.facts = facts;
  return model;
}

function routeFacts({ order, hedgeAfterMs, retries, cases }: Route, { reach }: Grant): RouteFacts | undefined {
  // Conditions name teams and keys of any organization.
  const shown = reach === Reach.INSTALLATION ? cases.map(({ where, targets }) => ({ where, targets: [...targets] })) : [];
  if (order.by === "listed" && hedgeAfterMs === undefined && retries === 0 && shown.length === 0) return undefined;
  const hedgeAfter = hedgeAfterMs === undefined ? {} : { hedgeAfter: durationFromMs(hedgeAfterMs) };
  return create(RouteFactsSchema, { order: order.by, ...(order.by === "weight" && { weights: { ...order.weights }, stickyLabel: order.stickyLabel }), ...hedgeAfter, retries, cases: shown });
}

/** Owns the names a caller can use as `model`: all of them, or one; and which providers behind them cannot be called. */
import { create } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import { ModelSchema, ProviderProblemSchema, RouteFactsSchema, type Model, type ProviderProblem, type RouteFacts } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { Reach, type Grant } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { Permission } from "#gen/weir/types/v1/method_pb.ts";
import { authorizePlan, mayReach, mayUseModel, providerOf } from "./admit.ts";
import { factsOf } from "./fitness.ts";
import { callableNames, planTargets, targetNamed, type PlanningView, type Route, type Target } from "./plan.ts";

/** Routes first, then `provider/model`, each by name; only what the grant allows. */
export function listModels(view: PlanningView, grant: Grant): Model[] {
  return [...callableNames(view)]
    .filter((name) => mayUseModel(name, grant))
    .map((name) => {
      const route = view.routes.get(name);
      const targets = (route?.targets ?? [name]).map((target) => targetNamed(target, view));
      return modelNamed(name, route, targets);
    })
    .filter(({ targets }) => targets.some((target) => mayReach(providerOf(target), grant)));
}

/** What this name calls. Throws MODEL_NOT_FOUND or MODEL_NOT_ALLOWED, as a call of it would. */
export function getModel(name: string, view: PlanningView, grant: Grant): Model {
  const plan = authorizePlan(name, planTargets(name, view), grant);
  return modelNamed(name, plan.route === "" ? undefined : view.routes.get(name), plan.targets);
}

/** For who may see the installation's credentials: nobody else can do anything about it, and each call says that it failed. */
export function providerProblems({ providers }: PlanningView, { reach, permissions }: Grant): ProviderProblem[] {
  if (reach !== Reach.INSTALLATION || !permissions.includes(Permission.CREDENTIAL_READ)) return [];
  return [...providers.values()].filter(({ credentialProblem }) => credentialProblem !== "").map(({ name, credentialProblem }) => create(ProviderProblemSchema, { provider: name, description: credentialProblem }));
}

function modelNamed(name: string, route: Route | undefined, targets: readonly (Target | undefined)[]): Model {
  const model = create(ModelSchema, { name, targets: [...(route?.targets ?? [name])], isRoute: route !== undefined });
  const routing = route && routeFacts(route);
  if (routing !== undefined) model.routing = routing;
  const [only] = targets;
  const facts = only === undefined || targets.length > 1 ? undefined : factsOf(only);
  if (facts !== undefined) model.facts = facts;
  return model;
}

function routeFacts({ order, hedgeAfterMs }: Route): RouteFacts | undefined {
  if (order.by === "listed" && hedgeAfterMs === undefined) return undefined;
  const hedgeAfter = hedgeAfterMs === undefined ? {} : { hedgeAfter: durationFromMs(hedgeAfterMs) };
  return create(RouteFactsSchema, { order: order.by, ...(order.by === "weight" && { weights: { ...order.weights }, stickyLabel: order.stickyLabel }), ...hedgeAfter });
}

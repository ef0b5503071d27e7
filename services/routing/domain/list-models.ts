/** Owns the list of names a caller can use as `model`. */
import { create } from "@bufbuild/protobuf";
import { ModelSchema, type Model } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { Grant } from "#gen/weir/policy/v1/policy_service_pb.ts";
import { mayUseModel } from "./admit.ts";
import { callableNames, type PlanningView } from "./plan.ts";

/** Routes first, then `provider/model`, each by name; only what the grant allows. */
export function listModels(view: PlanningView, grant: Grant): Model[] {
  return [...callableNames(view)]
    .filter((name) => mayUseModel(name, grant))
    .map((name) => {
      const targets = view.routes.get(name);
      return create(ModelSchema, { name, targets: [...(targets ?? [name])], isRoute: targets !== undefined });
    });
}

/** Owns InferenceService.ListModels. */
import { create } from "@bufbuild/protobuf";
import { ListModelsResponseSchema, type ListModelsRequest, type ListModelsResponse } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { listModels, providerProblems } from "../domain/targets/list-models.ts";
import { grantOf, type InferenceDependencies } from "./inference-dependencies.ts";

const defaultPageSize = 1_000;

export async function listModelsPage(request: ListModelsRequest, context: CallContext, { pipeline }: InferenceDependencies): Promise<ListModelsResponse> {
  const [view, grant] = [pipeline.view(), grantOf(context)];
  const models = listModels(view, grant);
  const start = request.pageToken === "" ? 0 : models.findIndex(({ name }) => name === request.pageToken);
  if (start < 0) throw new GatewayError("INVALID_REQUEST", "page_token: it is not from this list, or the list has changed; begin again without it.", { fieldViolations: [{ field: "page_token", description: "unknown" }] });
  const end = start + (request.pageSize === 0 ? defaultPageSize : request.pageSize);
  return create(ListModelsResponseSchema, { models: models.slice(start, end), nextPageToken: models[end]?.name ?? "", providerProblems: providerProblems(view, grant) });
}

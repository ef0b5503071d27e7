/** Owns the HTTP dialects' door: a request in the caller's dialect goes in, the reply or the error in the same dialect comes out. */
import { InferenceService } from "#gen/weir/inference/v1/inference_service_pb.ts";
import type { GatewayError } from "#platform/errors.ts";
import type { HttpRequest, HttpResponse } from "#platform/http/listener.ts";
import { authorizeMethod } from "../../domain/admission/admit.ts";
import type { GetModelEndpoint, ListModelsEndpoint } from "../../domain/dialect.ts";
import { getModel, listModels } from "../../domain/targets/list-models.ts";
import { recordReply } from "../content-recording.ts";
import type { RequestScope } from "../request-scope.ts";
import { bodyOf, type Arrived, type HttpDoorDependencies } from "./arrived-request.ts";
import { callFiles } from "./call-files.ts";
import { callUnary, generate, relay } from "./call-model.ts";
import { addressOf, dialectOf, endpointOf } from "./find-endpoint.ts";
import { answerError, answerJson, requestIdHeaders, limitsOf } from "./write-answer.ts";

const rpcOf = { ...InferenceService.method, getModel: InferenceService.method.listModels, getVersion: InferenceService.method.listModels, files: InferenceService.method.listFiles };

/** Answers one request; resolves when the reply is on its way. Never throws: failures are answered. */
export async function handleHttp(request: HttpRequest, response: HttpResponse, scope: RequestScope, dependencies: HttpDoorDependencies): Promise<void> {
  const address = addressOf(request);
  const found = dependencies.endpoints.at(address.path);
  const dialect = dialectOf(request, address, found, dependencies.dialects);
  try {
    const { endpoint, model } = endpointOf(request, address, found, dialect);
    const operation = endpoint.operation === "relay" ? endpoint.serves : endpoint.operation;
    scope.operation = operation;
    scope.record(rpcOf[operation], request);
    const grant = await dependencies.admit(dialect.readCredential(request.headers, address.query), request, scope);
    authorizeMethod(rpcOf[operation], grant);
    const recording = dependencies.contents.begin(grant, scope);
    if (recording !== undefined) recordReply(response, recording);
    const arrived = { request, response, scope, grant, dependencies, target: { model, query: address.query }, recording };
    if (endpoint.operation === "generate") await generate(arrived, dialect, endpoint, await bodyOf(arrived));
    else if (endpoint.operation === "listModels") answerModels(arrived, endpoint);
    else if (endpoint.operation === "getModel") answerModel(arrived, endpoint);
    else if (endpoint.operation === "getVersion") answerJson(response, JSON.stringify(endpoint.writeReply()), requestIdHeaders(scope));
    else if (endpoint.operation === "files") await callFiles(arrived, dialect, endpoint);
    else if (endpoint.operation === "relay") await relay(arrived, dialect, endpoint);
    else await callUnary(arrived, dialect, endpoint, await bodyOf(arrived));
    scope.end();
  } catch (thrown) {
    const error = scope.end(thrown)!;
    if (response.headersSent) response.end();
    else answerError(request, response, dialect, error, scope.requestId, limitsOf(error, dialect, dependencies));
  }
}

/** Refuses a request unread, in the caller's dialect. */
export function refuseHttp(request: HttpRequest, response: HttpResponse, scope: RequestScope, { dialects, endpoints }: HttpDoorDependencies, refusal: GatewayError): void {
  const address = addressOf(request);
  answerError(request, response, dialectOf(request, address, endpoints.at(address.path), dialects), scope.end(refusal)!, scope.requestId);
}

function answerModels({ response, scope, grant, dependencies }: Arrived, endpoint: ListModelsEndpoint): void {
  const models = listModels(dependencies.pipeline.view(), grant);
  answerJson(response, JSON.stringify(endpoint.writeReply(models, dependencies.startTimeMs)), requestIdHeaders(scope));
}

function answerModel({ response, scope, grant, dependencies, target }: Arrived, endpoint: GetModelEndpoint): void {
  const model = getModel(target.model, dependencies.pipeline.view(), grant);
  answerJson(response, JSON.stringify(endpoint.writeReply(model, dependencies.startTimeMs)), requestIdHeaders(scope));
}

/** Owns the RPCs of InferenceService that call a model and are answered in one piece, all but Generate. */
import type { NativePayload, Warning } from "#gen/weir/inference/v1/generation_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import type { CallContext } from "#platform/rpc/service-types.ts";
import { filesIn, filesInTypes } from "../domain/account/account-objects.ts";
import type { AskedUnary } from "../domain/asked-forms.ts";
import { unaryCall } from "../domain/asked-call.ts";
import type { UnaryCall, UnaryEndpoint } from "../domain/dialect.ts";
import { envelopeOf, nativeResponse, withEnvelope, type UnaryName, type UnaryRequest, type UnaryResponse } from "../domain/unary-operation.ts";
import { runCacheable, type InferenceDependencies } from "./inference-dependencies.ts";

/** Answers in types, or in the dialect of the request's `native`. */
export async function callUnary<Name extends UnaryName>(operation: Name, request: UnaryRequest<Name>, context: CallContext, dependencies: InferenceDependencies): Promise<UnaryResponse<Name>> {
  const { model, native, strict, labels } = envelopeOf(request);
  if (request.$typeName === "weir.inference.v1.CountTokensRequest") filesInTypes(request.generation!);
  const dialectCall = native === undefined ? undefined : readNative(operation, model, native, dependencies);
  const asked: AskedUnary<Name> = {
    operation,
    model,
    native,
    strict,
    unknownFields: () => dialectCall?.unknownFields ?? [],
    toRequest: () => (dialectCall === undefined ? request : withEnvelope(dialectCall.toRequest(), { model })),
  };
  const reply = await runCacheable(context, unaryCall(asked), labels, dependencies);
  const origin = { requestId: context.requestId, target: reply.target.name };
  const inDialect = (body: Uint8Array, warnings: readonly Warning[]) => nativeResponse(operation, { ...origin, warnings: [...warnings, ...reply.warnings()], native: { dialect: native!.dialect, body } });
  let response: UnaryResponse<Name> | undefined;
  for await (const message of reply.messages) {
    const answer = message[operation];
    if (answer === undefined) response = inDialect(message.native, []);
    else if (dialectCall === undefined) response = { ...answer, ...origin, warnings: [...answer.warnings, ...reply.warnings()] };
    else response = inDialect(Buffer.from(JSON.stringify(dialectCall.writeReply({ ...answer, ...origin }))), answer.warnings);
  }
  return response!;
}

function readNative<Name extends UnaryName>(operation: Name, model: string, { dialect, body }: NativePayload, { dialects, parseJson }: InferenceDependencies): UnaryCall<Name> {
  const endpoints = dialects.find(({ name }) => name === dialect)?.endpoints ?? [];
  const endpoint = endpoints.find((one) => one.operation === operation) as UnaryEndpoint<Name> | undefined;
  if (endpoint !== undefined) {
    const json = parseJson(body);
    filesIn(json);
    const call = endpoint.read(json, { model, query: undefined });
    if (call.events === undefined) return call;
    throw new GatewayError("INVALID_REQUEST", "native.body: It must not ask for a stream: this RPC answers in one piece.", { fieldViolations: [{ field: "native.body", description: "asks for a stream" }] });
  }
  const description = `the dialect "${dialect}" has no ${operation}`;
  throw new GatewayError("INVALID_REQUEST", `native.dialect: ${description}.`, { fieldViolations: [{ field: "native.dialect", description }] });
}

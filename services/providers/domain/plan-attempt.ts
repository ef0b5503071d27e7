/** Owns how an attempt is put to a vendor: which of the adapter's ways, what is sent, and how the reply is read. */
import { create } from "@bufbuild/protobuf";
import type { NativePayload } from "#gen/weir/inference/v1/generation_pb.ts";
import type { EmbedRequest, Generation } from "#gen/weir/inference/v1/inference_service_pb.ts";
import { AttemptResponseSchema, type AttemptRequest, type AttemptResponse } from "#gen/weir/providers/v1/providers_service_pb.ts";
import { GatewayError } from "#platform/errors.ts";
import { SseSplitter } from "#platform/sse.ts";
import type { EmbedAdapter, NativeForm, VendorAdapter, VendorRequest } from "./adapter.ts";
import type { ReplyReader } from "./reply-reader.ts";
import { StreamedReply } from "./streamed-reply.ts";
import { WholeReply } from "./whole-reply.ts";

export interface AttemptPlan {
  readonly operation: "generate" | "embed";
  readonly stream: boolean;
  readonly vendorRequest: VendorRequest;
  /** A reader for the body of a reply that is no error. */
  readReply(): ReplyReader;
}

/** Throws UNSUPPORTED_FIELD or INVALID_REQUEST when the vendor cannot be asked this. */
export function planAttempt(request: AttemptRequest, adapter: VendorAdapter): AttemptPlan {
  const { operation, model } = request;
  switch (operation.case) {
    case "generate":
      return planGenerate(generationOf(operation.value.generation), model, adapter);
    case "streamGenerate":
      return planStream(generationOf(operation.value.generation), model, adapter);
    case "embed":
      return planEmbed(operation.value, model, adapter, request.provider);
    default:
      throw new GatewayError("INVALID_REQUEST", "The attempt has no operation.");
  }
}

function planGenerate(generation: Generation, model: string, adapter: VendorAdapter): AttemptPlan {
  const { generate } = adapter;
  const native = nativeFor(generation.native, adapter);
  const vendorRequest = buildGenerate(adapter, generation, native, model, false);
  return {
    operation: "generate",
    stream: false,
    vendorRequest,
    readReply: () =>
      new WholeReply((body) => {
        if (native !== undefined) return { response: nativeResponse(body), summary: formOf(native, adapter).summarizeReply(body) };
        const { response, summary } = generate.readReply(body);
        response.model ||= model;
        response.warnings.push(...vendorRequest.warnings);
        return { response: create(AttemptResponseSchema, { generate: response }), summary };
      }),
  };
}

function planStream(generation: Generation, model: string, adapter: VendorAdapter): AttemptPlan {
  const native = nativeFor(generation.native, adapter);
  const form = native === undefined ? adapter.generate : formOf(native, adapter);
  const vendorRequest = buildGenerate(adapter, generation, native, model, true);
  return {
    operation: "generate",
    stream: true,
    vendorRequest,
    readReply: () => new StreamedReply(form.createStreamReader(vendorRequest), form.createSplitter?.() ?? new SseSplitter(), native !== undefined, vendorRequest.warnings, model),
  };
}

function planEmbed(request: EmbedRequest, model: string, adapter: VendorAdapter, provider: string): AttemptPlan {
  const embed = embedOf(adapter, provider);
  const native = nativeFor(request.native, adapter);
  const vendorRequest = native === undefined ? embed.buildRequest(request, model) : embed.buildNativeRequest(native.body, model);
  return {
    operation: "embed",
    stream: false,
    vendorRequest,
    readReply: () =>
      new WholeReply((body) => {
        if (native !== undefined) return { response: nativeResponse(body), summary: embed.summarizeReply(body) };
        const { response, summary } = embed.readReply(body);
        response.model ||= model;
        response.warnings.push(...vendorRequest.warnings);
        return { response: create(AttemptResponseSchema, { embed: response }), summary };
      }),
  };
}

function buildGenerate(adapter: VendorAdapter, generation: Generation, native: NativePayload | undefined, model: string, stream: boolean): VendorRequest {
  const { generate, forwardedRequestHeaders } = adapter;
  if (native === undefined) return generate.buildRequest(generation, model, stream);
  const vendorRequest = formOf(native, adapter).buildNativeRequest(native.body, model, stream);
  const forwarded = Object.entries(native.headers).filter(([name]) => forwardedRequestHeaders.includes(name));
  return forwarded.length === 0 ? vendorRequest : { ...vendorRequest, headers: { ...Object.fromEntries(forwarded), ...vendorRequest.headers } };
}

function nativeFor(native: NativePayload | undefined, adapter: VendorAdapter): NativePayload | undefined {
  if (native === undefined || adapter.nativeDialects.includes(native.dialect)) return native;
  throw new GatewayError("INVALID_REQUEST", `The vendor ${adapter.vendor} does not speak the dialect ${native.dialect}; send it types.`);
}

function formOf({ dialect }: NativePayload, { generate }: VendorAdapter): NativeForm {
  return generate.nativeForms?.[dialect] ?? generate;
}

function nativeResponse(body: Buffer): AttemptResponse {
  const response = create(AttemptResponseSchema);
  response.native = body;
  return response;
}

function embedOf(adapter: VendorAdapter, provider: string): EmbedAdapter {
  if (adapter.embed !== undefined) return adapter.embed;
  throw new GatewayError("UNSUPPORTED_FIELD", `The provider ${provider} has no embeddings: the vendor ${adapter.vendor} offers none.`, {
    metadata: { field: "embed", target: provider },
  });
}

function generationOf(generation: Generation | undefined): Generation {
  if (generation !== undefined) return generation;
  throw new GatewayError("INVALID_REQUEST", "The attempt says nothing to generate.", {
    fieldViolations: [{ field: "generation", description: "is required" }],
  });
}

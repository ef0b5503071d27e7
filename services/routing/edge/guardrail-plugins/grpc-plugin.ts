/** Owns guardrail plug-ins that speak gRPC, with or without TLS. */
import { readFileSync } from "node:fs";
import { Client, credentials, Metadata, status as GrpcCode, type ChannelCredentials, type ServiceError } from "@grpc/grpc-js";
import { GuardrailPluginService, type CheckRequest, type CheckResponse } from "#gen/weir/guardrail/v1/guardrail_plugin_service_pb.ts";
import { refuseForbiddenHost } from "#platform/egress/egress-pool.ts";
import { GatewayError } from "#platform/errors.ts";
import { deserializerOf, pathOf, serializerOf } from "#platform/peers/grpc-codec.ts";
import { maximumAnswerBytes, type Plugin, type PluginSettings } from "./plugin.ts";

const { check } = GuardrailPluginService.method;
const path = pathOf(check);
const serialize = serializerOf(check.input);
const deserialize = deserializerOf(check.output);

/** Throws INVALID_REQUEST for an address that is never dialled, or files that cannot be read. */
export function openGrpcPlugin(name: string, { url, tls, maximumMessageBytes }: PluginSettings): Plugin {
  refuseForbiddenHost(url, true);
  const client = new Client(`dns:///${new URL(url).host}`, url.startsWith("grpcs:") ? tlsCredentials(name, tls) : credentials.createInsecure(), {
    "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
    "grpc.service_config_disable_resolution": 1,
    "grpc.enable_http_proxy": 0,
    "grpc.enable_retries": 0,
    "grpc.enable_channelz": 0,
    "grpc.initial_reconnect_backoff_ms": 100,
    "grpc.max_reconnect_backoff_ms": 1_000,
    "grpc.use_local_subchannel_pool": 1,
    "grpc.max_send_message_length": maximumMessageBytes,
    "grpc.max_receive_message_length": maximumAnswerBytes,
  });
  return { check: (request, signal) => ask(client, name, request, signal), close: () => client.close() };
}

function ask(client: Client, name: string, request: CheckRequest, signal: AbortSignal): Promise<CheckResponse> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const settle = (error: ServiceError | null, response?: unknown): void => {
      signal.removeEventListener("abort", cancel);
      if (error === null) resolve(response as CheckResponse);
      else reject(signal.aborted ? signal.reason : failureOf(name, error));
    };
    const call = client.makeUnaryRequest(path, serialize, deserialize, request, new Metadata(), settle);
    const cancel = (): void => call.cancel();
    signal.addEventListener("abort", cancel);
  });
}

function failureOf(name: string, { code }: ServiceError): GatewayError {
  return new GatewayError("DEPENDENCY_UNAVAILABLE", `The guardrail plug-in "${name}" failed with the gRPC status ${GrpcCode[code]}.`, { metadata: { plugin: name } });
}

function tlsCredentials(name: string, { authorityFile, certificateFile, keyFile }: PluginSettings["tls"]): ChannelCredentials {
  const read = (field: string, file: string): Buffer | null => {
    if (file === "") return null;
    try {
      return readFileSync(file);
    } catch (error) {
      throw new GatewayError("INVALID_REQUEST", `guardrail_plugins.${name}.tls.${field}: ${file} cannot be read (${(error as NodeJS.ErrnoException).code}).`, { cause: error });
    }
  };
  return credentials.createSsl(read("authority_file", authorityFile), read("key_file", keyFile), read("certificate_file", certificateFile));
}

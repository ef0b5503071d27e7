/** Owns guardrail plug-ins that speak gRPC, with or without TLS. */
import { isDeepStrictEqual } from "node:util";
import { Client, connectivityState, credentials, Metadata, status as GrpcCode, type ServiceError } from "@grpc/grpc-js";
import { GuardrailPluginService, type CheckRequest, type CheckResponse } from "#gen/weir/guardrail/v1/guardrail_plugin_service_pb.ts";
import type { Clock } from "#platform/clock.ts";
import { refuseForbiddenHost } from "#platform/egress/egress-pool.ts";
import { GatewayError } from "#platform/errors.ts";
import { deserializerOf, pathOf, serializerOf } from "#platform/peers/grpc-codec.ts";
import { noConnection } from "#platform/peers/peer-status.ts";
import { JudgedTooLate } from "../../domain/guardrails/outside/outside-check.ts";
import { maximumAnswerBytes, type Plugin, type PluginSettings } from "./plugin.ts";
import { readPluginTls, type PluginTls } from "./plugin-tls.ts";

const { check } = GuardrailPluginService.method;
const path = pathOf(check);
const serialize = serializerOf(check.input);
const deserialize = deserializerOf(check.output);

/** How soon changed files are used for new connections. */
const lookAgainMs = 10_000;
/** How long connections are kept at least, whatever becomes of what is asked over them. */
const keptMs = 10_000;

/** Throws INVALID_REQUEST for an address that is never dialled, or files that cannot be used. */
export function openGrpcPlugin(name: string, { url, tls, maximumMessageBytes }: PluginSettings, clock: Clock): Plugin {
  refuseForbiddenHost(url, true);
  const isEncrypted = url.startsWith("grpcs:");
  const open = (files: PluginTls): Client =>
    new Client(`dns:///${new URL(url).host}`, isEncrypted ? credentials.createSsl(files.authority, files.key, files.certificate) : credentials.createInsecure(), {
      "grpc.service_config": JSON.stringify({ loadBalancingConfig: [{ round_robin: {} }] }),
      "grpc.service_config_disable_resolution": 1,
      "grpc.enable_http_proxy": 0,
      "grpc.enable_channelz": 0,
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 1_000,
      "grpc.use_local_subchannel_pool": 1,
      "grpc.max_send_message_length": maximumMessageBytes,
      "grpc.max_receive_message_length": maximumAnswerBytes,
    });
  let files = readPluginTls(name, tls);
  let client = open(files);
  let openedAtMs = clock.monotonicMs();
  let lookedAtMs = openedAtMs;
  const renew = (): void => {
    // What is asked already is answered.
    client.close();
    client = open(files);
    openedAtMs = clock.monotonicMs();
  };
  const useChanged = (): void => {
    if (!isEncrypted || clock.monotonicMs() - lookedAtMs < lookAgainMs) return;
    lookedAtMs = clock.monotonicMs();
    const changed = changedFiles(name, tls, files);
    if (changed === undefined) return;
    files = changed;
    renew();
  };
  /** An instance that vanished without a word leaves its connection open: TCP would go on for a quarter of an hour, and gRPC take that for slowness. */
  const doubtConnections = (): void => {
    const isConnected = client.getChannel().getConnectivityState(false) === connectivityState.READY;
    if (isConnected && clock.monotonicMs() - openedAtMs >= keptMs) renew();
  };
  return {
    check: (request, signal) => {
      useChanged();
      return ask(client, name, request, signal).catch((error: unknown) => {
        if (error instanceof JudgedTooLate) doubtConnections();
        throw error;
      });
    },
    close: () => client.close(),
  };
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

/** Why there is no connection, gRPC itself says; a plug-in's own words go nowhere. */
function failureOf(name: string, { code, details }: ServiceError): GatewayError {
  const metadata = { plugin: name };
  if (code === GrpcCode.UNAVAILABLE && noConnection.test(details)) {
    return new GatewayError("DEPENDENCY_UNAVAILABLE", `The guardrail plug-in "${name}" cannot be reached. Check that it runs, and guardrail_plugins.${name} (url, tls) in weir.yaml.`, { metadata, cause: new Error(details.trim()) });
  }
  return new GatewayError("DEPENDENCY_UNAVAILABLE", `The guardrail plug-in "${name}" failed with the gRPC status ${GrpcCode[code]}.`, { metadata });
}

/** Undefined while they are the same, and while they cannot be used: a half-written one, or a certificate whose key has not come yet, changes nothing. */
function changedFiles(name: string, tls: PluginSettings["tls"], present: PluginTls): PluginTls | undefined {
  try {
    const files = readPluginTls(name, tls);
    return isDeepStrictEqual(files, present) ? undefined : files;
  } catch {
    return undefined;
  }
}

/** Owns guardrail plug-ins that are webhooks: the messages of the contract as JSON, posted and signed. */
import { randomUUID } from "node:crypto";
import { fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { CheckRequestSchema, CheckResponseSchema, type CheckResponse } from "#gen/weir/guardrail/v1/guardrail_plugin_service_pb.ts";
import type { Clock } from "#platform/clock.ts";
import { exchangeOverOwn } from "#platform/egress/egress-exchange.ts";
import { GatewayError } from "#platform/errors.ts";
import { webhookHeaders } from "#platform/http/standard-webhook.ts";
import { maximumAnswerBytes, type Plugin, type PluginSettings } from "./plugin.ts";

export function openWebhookPlugin(name: string, { url, secrets, maximumCalls }: PluginSettings, clock: Clock): Plugin {
  const exchange = exchangeOverOwn(maximumCalls, maximumAnswerBytes);
  return {
    async check(request, signal) {
      const message = { id: `chk_${randomUUID()}`, body: toJsonString(CheckRequestSchema, request) };
      const headers = webhookHeaders(message, secrets, clock.now());
      const reply = await exchange({ method: "POST", url, headers, body: message.body }, signal).catch((error: unknown) => {
        if (signal.aborted) throw signal.reason;
        throw failure(name, "cannot be reached, or breaks off its answer", error);
      });
      if (reply.status < 200 || reply.status > 299) throw failure(name, `failed with the HTTP status ${reply.status}`);
      return readAnswer(name, reply.body);
    },
    close: () => undefined,
  };
}

function readAnswer(name: string, body: Buffer): CheckResponse {
  try {
    return fromJsonString(CheckResponseSchema, body.toString("utf8"), { ignoreUnknownFields: true });
  } catch {
    throw failure(name, "answers with what is no CheckResponse in JSON");
  }
}

function failure(name: string, how: string, cause?: unknown): GatewayError {
  return new GatewayError("DEPENDENCY_UNAVAILABLE", `The guardrail plug-in "${name}" ${how}.`, { metadata: { plugin: name }, cause });
}

/** Owns the guardrail plug-ins of the configuration: each opened when first needed, bounded, and left alone for a while when it fails. */
import { isDeepStrictEqual } from "node:util";
import { toBinary } from "@bufbuild/protobuf";
import { CheckRequestSchema, type CheckResponse } from "#gen/weir/guardrail/v1/guardrail_plugin_service_pb.ts";
import { createBreaker, type Breaker, type BreakerSettings, type Health } from "#platform/breaker.ts";
import type { Clock } from "#platform/clock.ts";
import { GatewayError } from "#platform/errors.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import { JudgedTooLate, type Judgement, type Question } from "../../domain/guardrails/outside/outside-check.ts";
import { openGrpcPlugin } from "./grpc-plugin.ts";
import { checkRequest, judgementOf } from "./plugin-messages.ts";
import type { Plugin, PluginSettings } from "./plugin.ts";
import { openWebhookPlugin } from "./webhook-plugin.ts";

/** By the scheme of their addresses. */
const openers: Readonly<Record<string, (name: string, settings: PluginSettings, clock: Clock) => Plugin>> = { "grpc:": openGrpcPlugin, "grpcs:": openGrpcPlugin, "http:": openWebhookPlugin, "https:": openWebhookPlugin };

export interface PluginConfig {
  /** By name. */
  readonly plugins: ReadonlyMap<string, PluginSettings>;
  readonly breaker: BreakerSettings;
}

interface OpenPlugin {
  readonly settings: PluginSettings;
  readonly breakerSettings: BreakerSettings;
  readonly plugin: Plugin;
  readonly breaker: Breaker;
  calls: number;
}

export class PluginSet {
  readonly #config: LiveValue<PluginConfig>;
  readonly #clock: Clock;
  readonly #open = new Map<string, OpenPlugin>();
  readonly #unsubscribe: () => void;

  constructor(config: LiveValue<PluginConfig>, clock: Clock) {
    this.#config = config;
    this.#clock = clock;
    this.#unsubscribe = config.subscribe((changed) => this.#closeWhere((name, { settings, breakerSettings }) => !isSame(settings, changed.plugins.get(name)) || !isDeepStrictEqual(breakerSettings, changed.breaker)));
  }

  /** Rejects with DEPENDENCY_UNAVAILABLE, OVERLOADED, BODY_TOO_LARGE or CIRCUIT_OPEN, and with the signal's reason. */
  async judge(name: string, question: Question, signal: AbortSignal): Promise<Judgement> {
    const opened = this.#opened(name);
    const { maximumCalls, maximumMessageBytes } = opened.settings;
    if (opened.calls >= maximumCalls) throw new GatewayError("OVERLOADED", `The guardrail plug-in "${name}" is asked ${maximumCalls} times at once already (guardrail_plugins.${name}.max_concurrent_calls).`);
    const request = checkRequest(question);
    const bytes = toBinary(CheckRequestSchema, request).length;
    if (bytes > maximumMessageBytes) throw new GatewayError("BODY_TOO_LARGE", `The texts take ${bytes} bytes, more than the guardrail plug-in "${name}" is sent (guardrail_plugins.${name}.max_message_bytes).`);
    opened.calls++;
    try {
      return await opened.breaker.run(async () => readAnswer(name, await opened.plugin.check(request, signal), question));
    } finally {
      opened.calls--;
    }
  }

  close(): void {
    this.#unsubscribe();
    this.#closeWhere(() => true);
  }

  #opened(name: string): OpenPlugin {
    let opened = this.#open.get(name);
    if (opened === undefined) {
      const { plugins, breaker } = this.#config.current;
      const settings = plugins.get(name);
      if (settings === undefined) throw new GatewayError("DEPENDENCY_UNAVAILABLE", `There is no guardrail plug-in "${name}": guardrail_plugins of weir.yaml does not name it.`, { metadata: { plugin: name } });
      opened = { settings, breakerSettings: breaker, plugin: openers[new URL(settings.url).protocol]!(name, settings, this.#clock), breaker: createBreaker(`guardrail plug-in "${name}"`, breaker, healthOf), calls: 0 };
      this.#open.set(name, opened);
    }
    return opened;
  }

  #closeWhere(isOver: (name: string, opened: OpenPlugin) => boolean): void {
    for (const [name, opened] of this.#open) {
      if (!isOver(name, opened)) continue;
      this.#open.delete(name);
      opened.breaker.shutdown();
      opened.plugin.close();
    }
  }
}

function isSame(settings: PluginSettings, changed: PluginSettings | undefined): boolean {
  const revealed = ({ secrets, ...rest }: PluginSettings): object => ({ ...rest, secrets: secrets.map((secret) => secret.reveal()) });
  return changed !== undefined && isDeepStrictEqual(revealed(settings), revealed(changed));
}

function readAnswer(name: string, response: CheckResponse, { texts }: Question): Judgement {
  try {
    return judgementOf(response, texts);
  } catch (cause) {
    throw new GatewayError("DEPENDENCY_UNAVAILABLE", `The answer of the guardrail plug-in "${name}" cannot be used. ${(cause as Error).message}`, { metadata: { plugin: name }, cause });
  }
}

/** That its caller left, or gave the call less time than the rule does, says nothing of the plug-in: else whoever calls could have it left alone. */
function healthOf(error: unknown): Health {
  return error instanceof JudgedTooLate || (error instanceof GatewayError && error.reason === "DEPENDENCY_UNAVAILABLE") ? "failed" : "unknown";
}

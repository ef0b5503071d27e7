/** Owns what a person sees when Weir is ready: where it is, what is behind it, and a call to paste. */
import { relative } from "node:path";
import type { Listener } from "#platform/http/listener.ts";
import type { DataDirectory } from "./data-directory.ts";
import { serviceNames } from "./catalog.ts";
import type { Settings } from "./settings/settings.ts";
import { table } from "./terminal/table.ts";
import { originOf, type WeirFacts } from "./weir.ts";

export function startPage(weir: WeirFacts, adminListener: Listener, settings: Settings, data: DataDirectory, processes = 1): string {
  const { publicOrigin: origin, internalAddress, inferenceKey, remotePeers } = weir;
  const services = new Set(weir.services);
  const { providers, routing } = settings;
  const routes = [...routing.routes.keys()];
  const facts = [
    ...(services.size === serviceNames.length ? [] : [["Services", [...services].join(", ")]]),
    ...(processes === 1 ? [] : [["Processes", String(processes)]]),
    ...(origin === undefined ? [] : doorsAt(origin)),
    ...(internalAddress === undefined ? [] : [["Other Weir services", internalAddress]]),
    ...(remotePeers.length === 0 ? [] : [["Peers", remotePeers.join(", ")]]),
    ...(settings.nats === undefined || !(services.has("providers") || services.has("metering")) ? [] : [["Usage events through", `NATS at ${settings.nats.servers.join(", ")}`]]),
    ["Metrics, health", `${originOf(adminListener)}/metrics   /healthz   /readyz`],
    ...(services.has("providers") ? [["Providers", [...providers.providers.values()].map(({ name, vendor, origin: from }) => `${name} (${describeOrigin(vendor, from)})`).join(", ")]] : []),
    ...(services.has("routing") && routes.length > 0 ? [["Routes", routes.join(", ")]] : []),
    ...(services.has("policy") ? [["Keys", `${shownPath(data.inferenceKeyFile)} for inference, ${shownPath(data.adminKeyFile)} for administration`]] : []),
  ];
  const page = `Weir is ready.\n\n${indent(table(facts))}\n`;
  if (origin === undefined || inferenceKey === undefined) return page;
  const body = JSON.stringify({ model: routes[0] ?? (services.has("providers") ? firstModel(settings) : noModel), messages: [{ role: "user", content: "Hello" }] });
  return `${page}
Try it:

  curl ${origin}/v1/chat/completions \\
    -H "Authorization: Bearer ${inferenceKey}" \\
    -H "Content-Type: application/json" \\
    -d '${body}'
`;
}

function doorsAt(origin: string): string[][] {
  return [
    ["OpenAI API", `${origin}/v1`],
    ["Anthropic, Gemini, Ollama API", origin],
    ["gRPC, gRPC-Web, Connect", `${origin}   weir.inference.v1.InferenceService, with reflection`],
    ["Console", `${origin}/console/`],
  ];
}

function describeOrigin(vendor: string, origin: string): string {
  return vendor === "demo" ? "a demo that answers without any vendor; set OPENAI_API_KEY, ANTHROPIC_API_KEY or another vendor's key (docs/configuration.md), or write weir.yaml, for a real one" : `from ${origin}`;
}

/** A model to chat with; the catalogue lists those for embeddings under names that say so. */
function firstModel({ providers }: Settings): string {
  const [provider] = providers.providers.values();
  const model = provider?.models.find((name) => !name.includes("embed"));
  return provider === undefined || model === undefined ? noModel : `${provider.name}/${model}`;
}

/** Which there are is known to another process. */
const noModel = "PROVIDER/MODEL";

function shownPath(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere.startsWith("..") ? path : fromHere;
}

function indent(lines: readonly string[]): string {
  return lines.map((line) => `  ${line}`).join("\n");
}

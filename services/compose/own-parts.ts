/** Owns which parts of the configuration are for one service alone, mostly keys and secrets: a process without it reads none of them, and need not be given what they take from the environment. */
import { clearField, clone, type DescMessage, type Message } from "@bufbuild/protobuf";
import { ConfigSchema, type Config } from "#gen/weir/config/v1/config_pb.ts";
import { serviceNames, type ServiceName, type ServiceSet } from "./catalog.ts";

/** By their paths in weir.yaml. Secrets of other parts are for every service. */
export const ownParts: Readonly<Record<ServiceName, readonly string[]>> = {
  metering: ["content.key"],
  policy: ["alerts.webhooks", "console.client_secret"],
  providers: ["providers", "vault"],
  routing: ["cache.shared", "guardrail_plugins"],
};

/** What a process with these services does not read. */
export function partsOfOthers(services: ServiceSet): readonly string[] {
  return serviceNames.filter((name) => !services.has(name)).flatMap((name) => ownParts[name]);
}

/** The file without that. */
export function readBy(services: ServiceSet, file: Config): Config {
  const read = clone(ConfigSchema, file);
  for (const part of partsOfOthers(services)) clear(ConfigSchema, read, part.split("."));
  return read;
}

function clear(schema: DescMessage, message: Message, [name, ...rest]: readonly string[]): void {
  const field = schema.fields.find((one) => one.name === name)!;
  if (rest.length === 0) clearField(message, field);
  else {
    const inner = (message as unknown as Readonly<Record<string, Message | undefined>>)[field.localName];
    if (inner !== undefined) clear(field.message!, inner, rest);
  }
}

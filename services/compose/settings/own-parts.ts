/** Owns which parts of the configuration are for one service alone, mostly keys and secrets: a process without it reads none of them, and need not be given what they take from the environment. */
import { clearField, clone, toJson, type DescMessage, type JsonValue, type Message } from "@bufbuild/protobuf";
import { ConfigSchema, type Config } from "#gen/weir/config/v1/config_pb.ts";
import { serviceNames, type ServiceName, type ServiceSet } from "../catalog.ts";

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

/** These services, and the others whose parts take nothing from a variable that is not set here: what is wrong there can be told. */
export function readableHere(services: ServiceSet, file: Config): ServiceSet {
  const json = toJson(ConfigSchema, file, { useProtoFieldName: true });
  const isReadable = (part: string): boolean => !JSON.stringify(part.split(".").reduce(memberOf, json)).includes("${");
  return new Set(serviceNames.filter((name) => services.has(name) || ownParts[name].every(isReadable)));
}

/** The file without what processes with these services do not read. */
export function readBy(services: ServiceSet, file: Config): Config {
  const read = clone(ConfigSchema, file);
  for (const part of partsOfOthers(services)) clear(ConfigSchema, read, part.split("."));
  return read;
}

function memberOf(json: JsonValue, name: string): JsonValue {
  return (json as Readonly<Record<string, JsonValue>> | null)?.[name] ?? null;
}

function clear(schema: DescMessage, message: Message, [name, ...rest]: readonly string[]): void {
  const field = schema.fields.find((one) => one.name === name)!;
  if (rest.length === 0) clearField(message, field);
  else {
    const inner = (message as unknown as Readonly<Record<string, Message | undefined>>)[field.localName];
    if (inner !== undefined) clear(field.message!, inner, rest);
  }
}

/** Owns that the audit log says which configuration is in force: at the start, and after each change of the file. */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { create, toBinary, toJson, type JsonValue } from "@bufbuild/protobuf";
import { ConfigSchema, type Config } from "#gen/weir/config/v1/config_pb.ts";
import { ListAuditEntriesRequestSchema, RecordAuditRequestSchema } from "#gen/weir/metering/v1/audit_pb.ts";
import type { MeteringService } from "#gen/weir/metering/v1/metering_service_pb.ts";
import type { LiveValue } from "#platform/views/live-value.ts";
import type { Logger } from "#platform/logger.ts";
import type { CallContext, ServiceInterface } from "#platform/rpc/service-types.ts";
import { allServices, type ServiceName, type ServiceSet } from "./catalog.ts";
import type { Settings } from "./settings/settings.ts";

export interface ConfigurationAudit {
  readonly metering: ServiceInterface<typeof MeteringService>;
  /** As which service metering is called. */
  readonly self: ServiceName;
  readonly services: ServiceSet;
  readonly live: LiveValue<Settings>;
  readonly logger: Logger;
}

const method = "weir.config.v1.Config/Load";
const retryMs = 3_000;
const callTimeoutMs = 5_000;

/** Records until the returned function is called; while metering is away, it tries again. Does not keep the process alive. */
export function auditConfiguration({ metering, self, services, live, logger }: ConfigurationAudit): () => void {
  const stopping = new AbortController();
  const actor = services.size === allServices.size ? "configuration" : `configuration:${[...services].join(",")}`;
  let noted: Config | undefined;
  let recorded = Promise.resolve();

  const note = (config: Config): void => {
    const sha256 = createHash("sha256").update(toBinary(ConfigSchema, config)).digest("hex");
    const requestJson = JSON.stringify({ sha256, ...(noted === undefined ? {} : { changed: changedPaths(noted, config) }) });
    noted = config;
    recorded = recorded.then(() => recordInTime(sha256, requestJson));
  };
  const recordInTime = async (sha256: string, requestJson: string): Promise<void> => {
    while (!stopping.signal.aborted) {
      try {
        return await record(sha256, requestJson);
      } catch (error) {
        if (stopping.signal.aborted) return;
        logger.warn({ error, configuration: sha256, retryInMs: retryMs }, "the configuration in force is not in the audit log yet; trying again");
        await sleep(retryMs, undefined, { signal: stopping.signal, ref: false }).catch(() => {});
      }
    }
  };
  const record = async (sha256: string, requestJson: string): Promise<void> => {
    const { entries } = await metering.listAuditEntries(create(ListAuditEntriesRequestSchema, { actor, method, pageSize: 1 }), contextOf(self));
    const [last] = entries;
    if (last !== undefined && (JSON.parse(last.requestJson) as { sha256: string }).sha256 === sha256) return;
    // Of processes that see the same change after the same entry, one records it.
    const callId = `cfg_${createHash("sha256").update(`${actor} ${last?.callId ?? ""} ${sha256}`).digest("hex").slice(0, 32)}`;
    await metering.recordAudit(create(RecordAuditRequestSchema, { records: [{ callId, actor, method, requestJson, outcome: "ok" }] }), contextOf(self));
  };

  note(live.current.file);
  const unsubscribe = live.subscribe(({ file }) => note(file));
  return () => {
    unsubscribe();
    stopping.abort();
  };
}

function contextOf(self: ServiceName): CallContext {
  return { identity: { kind: "service", name: self }, requestId: "", signal: AbortSignal.timeout(callTimeoutMs), deadlineMs: Date.now() + callTimeoutMs };
}

const maximumPaths = 100;

/** What differs, by the names in the file, one level deep; never a value, which may be a secret. */
function changedPaths(before: Config, after: Config): string[] {
  const [left, right] = [partsOf(before), partsOf(after)];
  const paths = [...new Set([...left.keys(), ...right.keys()])].filter((path) => left.get(path) !== right.get(path));
  return paths.toSorted().slice(0, maximumPaths);
}

function partsOf(config: Config): ReadonlyMap<string, string> {
  const sections = Object.entries(toJson(ConfigSchema, config, { useProtoFieldName: true }) as Record<string, JsonValue>);
  return new Map(sections.flatMap(([section, value]) => membersOf(value).map(([name, member]) => [`${section}${name}`, JSON.stringify(member)] as const)));
}

function membersOf(value: JsonValue): [name: string, member: JsonValue][] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [["", value]];
  return Object.entries(value).map(([name, member]) => [`.${name}`, member]);
}

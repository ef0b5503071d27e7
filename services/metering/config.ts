/** Owns what metering takes from the configuration: the prices that add to the built-in ones or replace them, and when a journal counts as lost. */
import { createSecretKey, type KeyObject } from "node:crypto";
import { durationMs } from "@bufbuild/protobuf/wkt";
import type { Config } from "#gen/weir/config/v1/config_pb.ts";
import { inField } from "#platform/config-file/faults.ts";
import { entryPath } from "#platform/config-file/field-path.ts";
import { GatewayError } from "#platform/errors.ts";
import { entriesOf } from "./domain/listed-price.ts";
import type { PriceEntries } from "./domain/price-book.ts";

export interface MeteringConfig {
  /** By `vendor/model`. */
  readonly prices: PriceEntries;
  /** After how long without a report a journal counts as lost. */
  readonly lostJournalAfterMs: number;
  /** The labels by which usage can be reported, in one order. */
  readonly labels: readonly string[];
  /** Under which the organizations' data keys are kept; undefined where no content is. */
  readonly contentKey?: KeyObject;
  /** How long content is kept. */
  readonly contentRetentionMs?: number;
  /** How long records of requests are kept. */
  readonly requestRetentionMs?: number;
  /** How long entries of the audit log are kept; undefined for ever. */
  readonly auditRetentionMs?: number;
}

/** Longer than most outages of a network: a fenced process has to be started again. */
const defaultLostJournalAfterMs = 900_000;

export const defaultContentRetentionMs = 30 * 86_400_000;

export const defaultRequestRetentionMs = 30 * 86_400_000;

export const defaultLabels: readonly string[] = ["application", "cost_center", "workflow"];

/** Throws INVALID_REQUEST when a price is not by `vendor/model`, or cannot be read. */
export function readMeteringConfig(config: Config): MeteringConfig {
  const prices = Object.entries(config.prices).map(([name, price]) => [name, inField(entryPath("prices", name), () => readPrice(name, price))] as const);
  const lostJournalAfter = config.limits?.lostJournalAfter;
  const labels = config.ledger?.labels ?? [];
  const { key: contentKey = "", retention } = config.content ?? {};
  return {
    prices: new Map(prices),
    lostJournalAfterMs: lostJournalAfter === undefined ? defaultLostJournalAfterMs : durationMs(lostJournalAfter),
    labels: labels.length === 0 ? defaultLabels : labels.toSorted(),
    ...(contentKey === "" ? {} : { contentKey: createSecretKey(contentKey, "base64") }),
    ...(retention === undefined ? {} : { contentRetentionMs: durationMs(retention) }),
    ...(config.ledger?.requestRetention === undefined ? {} : { requestRetentionMs: durationMs(config.ledger.requestRetention) }),
    ...(config.audit?.retention === undefined ? {} : { auditRetentionMs: durationMs(config.audit.retention) }),
  };
}

function readPrice(name: string, price: Config["prices"][string]): ReturnType<typeof entriesOf> {
  if (!/^[^/]+[/]./.test(name)) throw new GatewayError("INVALID_REQUEST", `"${name}" names no vendor: write it as vendor/model, such as "openai/${name}".`);
  try {
    return entriesOf(price);
  } catch (error) {
    throw new GatewayError("INVALID_REQUEST", (error as Error).message);
  }
}

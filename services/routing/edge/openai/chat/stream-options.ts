/** Owns what a caller asks of a stream's form. */
import type { JsonObject } from "../../../domain/dialect.ts";

/** Whether a last chunk with the usage is to come. */
export function asksForUsage({ stream_options: options }: JsonObject): boolean {
  return typeof options === "object" && options !== null && (options as JsonObject)["include_usage"] === true;
}

/** Owns how Gemini's requests spell their members: Google's JSON takes `inlineData` and `inline_data` alike. */
import type { JsonObject } from "../../domain/dialect.ts";
import { RequestFields, UnknownFields } from "../dialect-parts/request-fields.ts";

/** The body, to be read in either spelling: https://protobuf.dev/programming-guides/json/ ("parsers accept both"). */
export function geminiFields(body: JsonObject, unknown = new UnknownFields()): RequestFields {
  return new RequestFields(body, "", unknown, snakeCase);
}

export function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

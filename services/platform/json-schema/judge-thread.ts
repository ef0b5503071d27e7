/** Owns the thread that looks at texts under JSON Schemas; it interprets schemas, and makes no code of them. */
import { parentPort } from "node:worker_threads";
import { Validator, type Schema, type SchemaDraft } from "@cfworker/json-schema";
import type { Fault, JudgedText } from "./json-judge.ts";

parentPort!.on("message", ({ schema, text }: JudgedText) => parentPort!.postMessage(faultOf(schema, text)));
parentPort!.postMessage("listening");

function faultOf(schema: string, text: string): Fault {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "it is not JSON";
  }
  try {
    const rules = JSON.parse(schema) as Schema;
    // The last is the innermost.
    const error = new Validator(rules, draftOf(rules)).validate(value).errors.at(-1);
    return error === undefined ? undefined : `it does not fit ${error.keywordLocation.slice(0, 200)} of the schema`;
  } catch {
    return "the schema cannot be used";
  }
}

function draftOf({ $schema }: Schema): SchemaDraft {
  const uri = typeof $schema === "string" ? $schema : "";
  if (uri.includes("draft-04")) return "4";
  if (uri.includes("draft-06") || uri.includes("draft-07")) return "7";
  return uri.includes("2019-09") ? "2019-09" : "2020-12";
}

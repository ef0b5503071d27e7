/** Owns checking messages against the rules their contract declares (protovalidate). */
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { createValidator, type Validator } from "@bufbuild/protovalidate";
import { GatewayError } from "../errors.ts";
import { ruleWords } from "./rule-words.ts";

/** One for all: it compiles the rules of each kind of field once, which takes a fifth of a second. */
export const validator = createValidator();

/** Stops at the first fault; made only when it is needed, as it compiles the rules again. */
let hastyValidator: Validator | undefined;

/** Of a list of thousands each could be at fault. */
const mostTold = 10;

/** In a longer message there is room for so many faults that to find them all takes seconds. */
const longBytes = 256 * 1024;

/** Throws INVALID_REQUEST that names the fields at fault: the first ones of many, and one of a message that is as long as this. */
export function validateMessage<Schema extends DescMessage>(schema: Schema, message: MessageShape<Schema>, lengthBytes = 0): void {
  const suited = lengthBytes > longBytes ? (hastyValidator ??= createValidator({ failFast: true })) : validator;
  const result = suited.validate(schema, message);
  if (result.kind === "valid") return;
  if (result.kind === "error") throw result.error;
  const fieldViolations = result.violations.slice(0, mostTold).map(({ field, message: rule }) => ({ field: pathToString(field), description: ruleWords(rule) }));
  const told = fieldViolations.map(({ field, description }) => (field === "" ? description : `${field}: ${description}`)).join("; ");
  const others = result.violations.length - fieldViolations.length;
  const kind = schema.name.endsWith("Response") ? "answer" : "request";
  throw new GatewayError("INVALID_REQUEST", `The ${kind} breaks the rules of its contract. ${told}${others === 0 ? "" : `; and ${others} more`}`, { fieldViolations });
}

/** Owns compiling regular expressions that people configure: RE2's syntax, matched in linear time, never by V8, which can take exponential. */
import { RE2JS, RE2JSException } from "re2js";
import { GatewayError } from "./errors.ts";

/** Throws INVALID_REQUEST for an expression that RE2 does not have. */
export function compilePattern(source: string): RE2JS {
  try {
    return RE2JS.compile(source);
  } catch (error) {
    if (!(error instanceof RE2JSException)) throw error;
    const description = `"${source}" is no regular expression in RE2's syntax (${error.message}). See https://github.com/google/re2/wiki/Syntax; look-arounds and back-references are not part of it.`;
    throw new GatewayError("INVALID_REQUEST", `patterns: ${description}`, { fieldViolations: [{ field: "patterns", description }] });
  }
}

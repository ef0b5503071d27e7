/** Owns the dialect's name, under which its own bytes and pieces travel. */

export const nativeDialect = "openai-responses";

/** Owns the PEM files of the connections to a guardrail plug-in, and what is wrong with them. */
import { entryPath } from "#platform/config-file/field-path.ts";
import { readAuthorities, readTlsFiles } from "#platform/http/tls-files.ts";
import type { PluginSettings } from "./plugin.ts";

/** In PEM; null where there is none. */
export type PluginTls = Readonly<Record<"authority" | "certificate" | "key", Buffer | null>>;

/** Throws INVALID_REQUEST when the files cannot be used. */
export function readPluginTls(name: string, { authorityFile, certificateFile, keyFile }: PluginSettings["tls"]): PluginTls {
  const section = `${entryPath("guardrail_plugins", name)}.tls`;
  const authority = authorityFile === "" ? null : readAuthorities(section, { field: "authority_file", file: authorityFile, signsFor: "the plug-in" });
  if (certificateFile === "") return { authority, certificate: null, key: null };
  const { cert, key } = readTlsFiles({ section, certificateFile, keyFile, authority: undefined });
  return { authority, certificate: cert, key };
}

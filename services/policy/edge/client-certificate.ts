/** Owns whom a client certificate names; that its authority is trusted, and its dates hold, the TLS of the public port has checked. */
import { X509Certificate } from "node:crypto";
import { GatewayError } from "#platform/errors.ts";
import { placeOf, type CallerRule } from "../domain/caller-rules.ts";
import type { VouchedIdentity } from "../domain/vouched-identity.ts";

/** In place of the name of an issuer of tokens. */
const issuer = "certificate";
const longestSubject = 255;

/** Throws CALLER_NOT_ALLOWED when no rule fits, or it names nobody. */
export function identityOfCertificate(bytes: Uint8Array, rules: readonly CallerRule[]): VouchedIdentity {
  const certificate = new X509Certificate(bytes);
  const claims = claimsOf(certificate);
  const subject = subjectOf(claims);
  const place = placeOf(claims, rules);
  if (subject === undefined || place === undefined) {
    throw new GatewayError("CALLER_NOT_ALLOWED", "No rule under identity.certificates gives the caller of this certificate a place. Ask your operator for one.", { metadata: { issuer } });
  }
  return { issuer, subject, place, endMs: certificate.validToDate.getTime() };
}

interface CertificateClaims extends Readonly<Record<string, readonly string[]>> {
  readonly uri: readonly string[];
  readonly dns: readonly string[];
  readonly email: readonly string[];
  readonly common_name: readonly string[];
}

function claimsOf(certificate: X509Certificate): CertificateClaims {
  const names = alternativeNames(certificate.subjectAltName ?? "");
  const namesOf = (kind: string): string[] => names.filter(([of]) => of === kind).map(([, name]) => name);
  // node's own reading of the subject, in which a member is text, or a list of texts.
  const { subject } = certificate.toLegacyObject() as unknown as { readonly subject?: Readonly<Record<string, string | string[]>> };
  const partsOf = (part: string): string[] => [subject?.[part] ?? []].flat();
  return { uri: namesOf("URI"), dns: namesOf("DNS"), email: namesOf("email"), common_name: partsOf("CN"), organization: partsOf("O"), organizational_unit: partsOf("OU") };
}

/** The most exact name that it has. The kind stands before it, so that a host of a name is not taken for a person of that name. */
function subjectOf({ uri, dns, email, common_name }: CertificateClaims): string | undefined {
  const named = [["uri", uri], ["dns", dns], ["email", email], ["common_name", common_name]] as const;
  const [kind, names] = named.find(([, names]) => names.length > 0) ?? ["", []];
  const subject = `${kind}:${names[0] ?? ""}`;
  return names.length === 0 || subject.length > longestSubject || /\p{Cc}/u.test(subject) ? undefined : subject;
}

/** Of `DNS:a.example, URI:"spiffe://a, b"`: node puts a name in quotes, as JSON, that could be taken for several. */
function alternativeNames(text: string): (readonly [kind: string, name: string])[] {
  const entries = text.matchAll(/(?:^|, )([A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)/g);
  return [...entries].map(([, kind, name]) => [kind!, name!.startsWith('"') ? (JSON.parse(name!) as string) : name!]);
}

/** Owns the words for why a connection between services was not trusted: what the operator has to change. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import type { PeerProtection, TlsProtection } from "./peer-credentials.ts";

/** What TLS says of the other side's certificate, and what that means. */
const faultsOfPeer: readonly (readonly [pattern: RegExp, meaning: string])[] = [
  [/certificate has expired/, "its certificate has expired. Renew it there."],
  [/not yet valid/, "its certificate is not valid yet. Check the clocks of both machines."],
  [/(unsuitable|unsupported) certificate purpose/, "its certificate is not for server use. Issue one for client and server use."],
  [/self-signed certificate|unable to (verify|get)|signature failure/, "its certificate is not signed by the authority that this process knows. Sign it there by that one, or correct internal.tls.authority_file here."],
  [/does not match certificate's altnames/, "its certificate does not carry the service's name as a DNS name. Issue one that does, or correct peers."],
  [/wrong version number/, "it does not speak TLS. Set internal.tls there too, or correct peers."],
];

/** id-kp-clientAuth. */
const clientUse = "1.3.6.1.5.5.7.3.2";

/** What stood in the way of trust where gRPC says these details; undefined if something else did. */
export function mistrustIn(details: string, protection: PeerProtection): string | undefined {
  const isClosed = /Failed to connect \(|Connection closed before starting|before secure TLS|ECONNRESET|EPIPE|alert/.test(details);
  if (protection.kind === "shared-secret") return isClosed ? "it closed the connection at once, as one that asks for certificates does. Set internal.tls here too, or correct peers." : undefined;
  const known = faultsOfPeer.find(([pattern]) => pattern.test(details));
  if (known !== undefined) return known[1];
  // A server that refuses a certificate closes the connection and gives no reason.
  if (!isClosed) return undefined;
  return faultOfOwn(protection) ?? "it closed the connection upon the certificate of this process. Check that internal.tls.authority_file there names the authority of this process, and that the clocks agree.";
}

/** What is wrong with the certificate that this process shows, as far as it can tell. */
function faultOfOwn({ certificateFile, authorityFile }: TlsProtection): string | undefined {
  const [own, ...chain] = certificatesIn(certificateFile);
  if (own === undefined) return `${certificateFile} (internal.tls.certificate_file) holds no certificate.`;
  if (own.validToDate.getTime() < Date.now()) return `the certificate of this process has expired (${own.validTo}). Renew ${certificateFile}.`;
  if (own.validFromDate.getTime() > Date.now()) return `the certificate of this process is not valid before ${own.validFrom}. Check ${certificateFile} and the clock.`;
  // The types do not know that one without this extension has none, and is for any use.
  const uses = own.keyUsage as readonly string[] | undefined;
  if (uses?.includes(clientUse) === false) return `the certificate of this process is not for client use. Issue ${certificateFile} for client and server use.`;
  const isSigned = [...chain, ...certificatesIn(authorityFile)].some((issuer) => own.checkIssued(issuer) && own.verify(issuer.publicKey));
  return isSigned ? undefined : `the certificate of this process is of another authority than the one it knows. Sign ${certificateFile} by that of ${authorityFile}.`;
}

function certificatesIn(file: string): readonly X509Certificate[] {
  try {
    const blocks = readFileSync(file, "utf8").match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
    return blocks.map((block) => new X509Certificate(block));
  } catch {
    return [];
  }
}

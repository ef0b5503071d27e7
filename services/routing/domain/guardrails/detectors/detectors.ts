/** Owns which detectors there are, by the names that rules use. A new one is a file and a row. */
import { card } from "./card.ts";
import type { Detector } from "./detector.ts";
import { email } from "./email.ts";
import { iban } from "./iban.ts";
import { ipAddress } from "./ip-address.ts";
import { nationalId } from "./national-id.ts";
import { phone } from "./phone.ts";
import { privateKey } from "./private-key.ts";
import { promptInjection } from "./prompt-injection.ts";
import { secret } from "./secret.ts";

export const detectors: Readonly<Record<string, readonly Detector[]>> = {
  email: [email],
  phone: [phone],
  card: [card],
  iban: [iban],
  national_id: [nationalId],
  ip_address: [ipAddress],
  secret: [secret, privateKey],
  prompt_injection: promptInjection,
};

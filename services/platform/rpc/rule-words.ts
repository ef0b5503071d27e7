/** Owns the words for rules of contracts that are broken: what must be written instead. */

/** What a pattern of a contract lets through. */
export const patternWords: Readonly<Record<string, string>> = {
  "^[a-z0-9][a-z0-9_-]{0,62}$": "must be small letters, digits, - and _, at most 63, the first one a letter or a digit",
  "^[a-z0-9][a-z0-9._:-]{0,62}$": "must be small letters, digits, and . _ : -, at most 63, the first one a letter or a digit",
  "^[A-Za-z0-9][A-Za-z0-9._:-]{0,126}$": "must be letters, digits, and . _ : -, at most 127, the first one a letter or a digit",
  "^[a-z][a-z0-9_]{0,63}$": "must be small letters, digits and _, at most 64, the first one a letter",
  "^[A-Za-z0-9_][A-Za-z0-9_.-]*$": "must be letters, digits, and _ . -, the first one no . or -",
  "^[A-Z][A-Z0-9_]{0,31}$": "must be capitals, digits and _, at most 32, such as PERSON",
  "^[A-Z_]*$": "must be a reason in capitals, such as MODEL_NOT_ALLOWED",
  "^[^\\p{Cc}]*$": "must have no control characters",
  "^[!-~]*$": "must be printable ASCII without spaces",
  "^[ -~]*$": "must be printable ASCII",

  "^[a-z0-9][a-z0-9_-]{0,62}/.{1,256}$": "must be two names with a slash between, such as openai/gpt-6-sol",
  "^[^/]+/.+$": "must be vendor/model, such as openai/gpt-6-sol",
  "^([^/]+/.+)?$": "must be vendor/model, such as openai/gpt-6-sol",
  "^([*]|[^/]+/.+)$": "must be vendor/model, such as openai/gpt-6-sol, vendor/*, or *",
  "^(organization|team|key|member|model|route|labels\\.[A-Za-z0-9_.-]{1,64})$": "must be organization, team, key, member, model, route, or a label, such as labels.end_user",
  "^[^=]{1,64}=.{1,256}$": "must be name=value, or name=* for each value",
  "^([a-zA-Z0-9!#$&^_.+-]{1,64}/[a-zA-Z0-9!#$&^_.+-]{1,128})?$": "must be a media type, such as application/pdf",

  "^[0-9]{1,9}([.][0-9]{1,9})?$": "must be US dollars, such as 100 or 0.50, with at most nine decimals",
  "^([0-9]{1,7}([.][0-9]{1,6})?)?$": "must be US dollars, such as 0.05, with at most six decimals",
  "^(-(100|[0-9]{1,2}([.][0-9]{1,4})?)|[0-9]{1,4}([.][0-9]{1,4})?)$": "must be a percent from -100 on, such as -15 or 7.5",
  "^[0-9]{1,3}([.][0-9]{1,3})?$": "must be a factor, such as 0.5 or 2",
  "^([0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]{5,12}Z)?)?$": "must be a day or a moment in UTC, such as 2026-12-01 or 2026-12-01T08:00:00Z",

  "^([*]|https?://[^/*]+)$": "must be an origin, such as https://app.example.com, without a path, or * for all",
  "^https?://[^/*\\s]{1,255}$": "must be an origin, such as https://app.example.com, without a path",
  "^(https://[^/?#]+|http://(localhost|127[.][0-9.]+|\\[::1\\])(:[0-9]+)?)$": "must be an origin with https, such as https://weir.example.com, without a path; http is for this machine alone",
  "^(https://[^/?#]+|http://(localhost|127[.][0-9.]+|\\[::1\\])(:[0-9]+)?)(/[^?#]*)?$": "must be an address with https, such as https://login.example.com; http is for this machine alone",
  "^(https://[^/?#]+|http://(localhost|127[.][0-9.]+|\\[::1\\])(:[0-9]+)?)(/[^#]*)?$": "must be an address with https, such as https://login.example.com/keys; http is for this machine alone",
  "^https?://[^@/?#]+([/?][^#]*)?$": "must be an address, such as https://hooks.example.com/weir",
  "^https?://[^@/?#]+(/[^?#]*)?$": "must be an address, such as https://vault.example.com:8200",
  "^https?://[^@/?#]+/[^?#]*$": "must be an address with its path, such as http://127.0.0.1:4318/v1/traces",
  "^(grpcs?://[^@/?#]+:[0-9]{1,5}|https?://[^@/?#]+([/?][^#]*)?)$": "must be grpc://host:port, grpcs://host:port, or an address, such as https://plugins.example.com/check",
  "^([*][.])?[a-z0-9_-]+([.][a-z0-9_-]+)*(:[0-9]{1,5})?$": "must be a host in small letters, such as files.example.com or *.example.com, with a port or without",
  "^https?://([^@/?#]+@)?[^@/?#]+/?$": "must be an address without a path, such as http://proxy.example.com:3128 or http://user:password@proxy.example.com:3128",
  "^[a-z0-9_:-]+([.][a-z0-9_-]+)*$": "must be a host in small letters, such as example.com, or an address, such as 192.0.2.7",
  "^([^/?#]+(/[^/?#]+)*)?$": "must be a path without slashes at its ends, such as auth/approle",
  "^[^/?#]+(/[^/?#]+)+$": "must be a mount and a path, such as secret/weir/openai",

  "^whsec_([A-Za-z0-9+/]{4}){8,20}([A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)$": "must be whsec_ and 25 to 63 bytes in base64: echo whsec_$(openssl rand -base64 32)",
  "^[A-Za-z0-9+/]{43}=$": "must be 32 bytes in base64: openssl rand -base64 32",
  "^[!#-\\[\\]-~]{1,100}$": "must be one scope, such as email, without spaces and quotes",
  "^arn:[a-z-]+:iam::[0-9]{12}:role/.{1,512}$": "must be the ARN of a role, such as arn:aws:iam::123456789012:role/weir",
  "^[A-Za-z0-9][A-Za-z0-9.-]{0,253}$": "must be a tenant's id or domain, such as contoso.onmicrosoft.com",
  "^([a-z0-9][a-z0-9.:-]{0,127})?$": "must be a project's id: small letters, digits, and . : -",
  "^([a-z0-9][a-z0-9-]{0,62})?$": "must be a region's name, such as europe-west1",
  "^([A-Za-z0-9][A-Za-z0-9.-]{0,63})?$": "must be a version, such as 2024-10-21",
  "^[A-Za-z0-9-]+$": "must be a header's name: letters, digits and -",
};

/** What is wrong with a value that breaks a rule, by protovalidate's message for it. */
export function ruleWords(message: string): string {
  const pattern = /^does not match regex pattern `(.*)`$/s.exec(message)?.[1];
  if (pattern !== undefined && Object.hasOwn(patternWords, pattern)) return patternWords[pattern]!;
  const list = /^must be in list \[(.*)\]$/s.exec(message)?.[1];
  if (list !== undefined) return `must be one of ${list.replace(/^, /, "")}`;
  if (message === "must be a valid IP prefix") return "must be a network, such as 10.0.0.0/8 or 192.0.2.1/32";
  if (/^must (be at least 1 characters|be at least 1 bytes|contain at least 1 item\(s\))$/.test(message)) return isEmpty;
  return message
    .replace(/greater than or equal to (\S+) and less than or equal to (\S+)$/, "from $1 to $2")
    .replace("greater than or equal to", "at least")
    .replace("less than or equal to", "at most");
}

export const isEmpty = "must not be empty";

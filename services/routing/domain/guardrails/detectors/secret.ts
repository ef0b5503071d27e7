/** Owns finding keys and tokens by the forms that their issuers gave them, so that they can be found. */
import { inRuns, matchesOf } from "./detector.ts";

/** Each begins with text that nothing else begins with, and goes on with one class of characters at a time. */
const forms = {
  aws: "(?:AKIA|ASIA)[A-Z2-7]{16}",
  github: "gh[pousr]_[A-Za-z0-9]{36,255}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
  gitlab: "glpat-[\\w-]{20,64}",
  openai: "sk-(?:proj|svcacct|admin)-[\\w-]{20,250}|sk-[A-Za-z0-9]{48}",
  anthropic: "sk-ant-[a-z]{3,8}\\d{2}-[\\w-]{80,120}",
  google: "AIza[\\w-]{35}|GOCSPX-[\\w-]{28}|ya29\\.[\\w-]{20,500}",
  slack: "xox[abeoprs]-[A-Za-z0-9-]{10,250}|xapp-\\d-[A-Za-z0-9-]{20,250}",
  stripe: "(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,247}|whsec_[A-Za-z0-9]{32,64}",
  huggingFace: "hf_[A-Za-z0-9]{34}",
  npm: "npm_[A-Za-z0-9]{36}",
  sendGrid: "SG\\.[\\w-]{22}\\.[\\w-]{43}",
  jwt: "eyJ[\\w-]{10,1000}\\.eyJ[\\w-]{10,6000}\\.[\\w-]{10,1000}",
  weir: "weir_[0-9a-hjkmnp-tv-z]{59}",
};

const token = new RegExp(`(?<![\\w-])(?:${Object.values(forms).join("|")})(?![\\w-])`, "g");

export const secret = inRuns({ label: "SECRET", characters: "A-Za-z0-9_.-", shortest: 15, longest: 8_192, find: (run) => matchesOf(token, run) });

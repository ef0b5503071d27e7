import { expect, test } from "vitest";
import { Secret } from "../secrets/secret.ts";
import { webhookHeaders } from "./standard-webhook.ts";

test("signs as Standard Webhooks do", () => {
  // The example of the reference implementations' own tests.
  const secret = new Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
  const headers = webhookHeaders({ id: "msg_p5jXN8AQM9LWM0D4loKWxJek", body: '{"test": 2432232314}' }, [secret, secret], 1_614_265_330_999);
  const signature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
  expect(headers).toEqual({ "content-type": "application/json", "user-agent": "weir", "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek", "webhook-timestamp": "1614265330", "webhook-signature": `${signature} ${signature}` });
});

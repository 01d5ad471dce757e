import assert from "node:assert/strict";
import { isSignedByStripe } from "../../src/billing/stripe-signature.ts";
import { signatureOf, webhookSecret } from "../support/stripe.ts";

const previousSecret = "whsec_the+previous/secret=";
const seconds = 1_700_000_000;
const now = seconds * 1000;
const payload = '{"id":"evt_1","amount":1,"name":"Ökonom"}';

function isSigned(header: string, body = payload, secrets = [webhookSecret], time = now): boolean {
  return isSignedByStripe(header, Buffer.from(body), secrets, time);
}

describe("isSignedByStripe", () => {
  const valid = signatureOf(payload, webhookSecret, seconds);
  const v1 = valid.split("v1=")[1] ?? "";

  it("accepts a signature by Stripe's library", () => {
    assert.equal(isSigned(valid), true);
  });

  it("accepts each of two secrets", () => {
    for (const secret of [webhookSecret, previousSecret])
      assert.equal(
        isSigned(signatureOf(payload, secret, seconds), payload, [webhookSecret, previousSecret]),
        true,
      );
  });

  it("accepts any of several signatures, in any order and with other schemes", () => {
    const wrong = "0".repeat(64);
    for (const header of [
      `t=${seconds},v1=${wrong},v1=${v1}`,
      `v1=${v1},v1=${wrong},t=${seconds}`,
      `t=${seconds},v0=${wrong},v1=${v1},v2=x`,
      `t=${seconds}, v1=${v1}`,
    ])
      assert.equal(isSigned(header), true, header);
  });

  for (const [what, time, expected] of [
    ["is 300 seconds old", now + 300_000, true],
    ["is 301 seconds old", now + 301_000, false],
    ["is 300 seconds ahead", now - 300_000, true],
    ["is 301 seconds ahead", now - 301_000, false],
  ] as const)
    it(`${expected ? "accepts" : "rejects"} a signature that ${what}`, () => {
      assert.equal(isSigned(valid, payload, [webhookSecret], time), expected);
    });

  for (const [what, header] of [
    ["no signature", `t=${seconds}`],
    ["an empty header", ""],
    ["no time", `v1=${v1}`],
    ["two times", `t=${seconds},t=${seconds},v1=${v1}`],
    ["another time", `t=${seconds + 1},v1=${v1}`],
    ["a time that is no number", `t=now,v1=${v1}`],
    ["another secret's signature", signatureOf(payload, previousSecret, seconds)],
    ["a signature of another body", signatureOf(`${payload} `, webhookSecret, seconds)],
    ["the signature of another scheme", `t=${seconds},v0=${v1}`],
    ["half of the signature", `t=${seconds},v1=${v1.slice(0, 32)}`],
    ["a longer signature", `t=${seconds},v1=${v1}00`],
    ["one wrong digit", `t=${seconds},v1=${v1.slice(0, -1)}${v1.endsWith("0") ? "1" : "0"}`],
    ["thousands of pairs", `t=${seconds}${",v1=00".repeat(700)}`],
  ] as const)
    it(`rejects ${what}`, () => {
      assert.equal(isSigned(header), false);
    });

  it("rejects a body that was parsed and written again", () => {
    const spaced = '{ "id": "evt_1" }';
    const header = signatureOf(spaced, webhookSecret, seconds);
    assert.equal(isSigned(header, spaced), true);
    assert.equal(isSigned(header, JSON.stringify(JSON.parse(spaced))), false);
  });

  it("rejects everything without a secret", () => {
    assert.equal(isSigned(valid, payload, []), false);
  });
});

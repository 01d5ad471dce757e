import assert from "node:assert/strict";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { once } from "node:events";
import { suite } from "../support/gateway.ts";
import { startStack } from "../support/stack.ts";
import { signatureOf, stripeEvent, stripeSettings } from "../support/stripe.ts";

const path = "/v1/billing/webhook";

describe("signedBody", () => {
  const stack = suite(() =>
    startStack({ grantCredits: () => ({ balance: 1n }) }, stripeSettings("http://127.0.0.1:9")),
  );

  /** Begins a body of 100 bytes and sends one of them. `received` resolves once the connection is closed. */
  async function beginSlowly(): Promise<{ readonly socket: Socket; readonly received: Promise<string> }> {
    const { hostname, port, host } = new URL(stack().gateway.url);
    const socket = connect(Number(port), hostname);
    let text = "";
    socket.on("data", (chunk) => (text += String(chunk)));
    const received = once(socket, "close").then(() => text);
    const headers = [
      `POST ${path} HTTP/1.1`,
      `Host: ${host}`,
      "Content-Type: application/json",
      "Content-Length: 100",
      "Expect: 100-continue",
      "Connection: close",
      "Stripe-Signature: t=1,v1=0",
    ];
    socket.write(`${headers.join("\r\n")}\r\n\r\n`);
    // The body is being read from here on.
    await once(socket, "data");
    assert.match(text, /^HTTP\/1\.1 100 /);
    socket.write("{");
    return { socket, received };
  }

  /** Completes a slow body. Resolves to all that was received. */
  function complete({ socket, received }: Awaited<ReturnType<typeof beginSlowly>>): Promise<string> {
    socket.write("x".repeat(99));
    return received;
  }

  function sendEvent(): Promise<Response> {
    const body = stripeEvent();
    return stack().gateway.fetch(path, {
      method: "POST",
      body,
      headers: { "Content-Type": "application/json", "Stripe-Signature": signatureOf(body) },
      token: null,
    });
  }

  it("reads a body that arrives at once while many arrive slowly, and returns 408 for the slowest", async () => {
    const slow = [];
    for (let i = 0; i < 33; i++) slow.push(await beginSlowly());
    const [first, second, ...others] = slow;
    assert.ok(first && second);
    assert.match(await first.received, /^HTTP\/1\.1 408 /m);
    assert.equal((await sendEvent()).status, 200);
    assert.match(await second.received, /^HTTP\/1\.1 408 /m);
    for (const received of await Promise.all(others.map(complete)))
      assert.match(received, /^HTTP\/1\.1 400 /m);
  });

  it("counts no body whose sender has left", async () => {
    const { gateway } = stack();
    const first = await beginSlowly();
    const before = gateway.logs.length;
    const others = await Promise.all(Array.from({ length: 31 }, beginSlowly));
    for (const { socket } of others) socket.destroy();
    while (gateway.logs.length < before + others.length) await once(gateway.logged, "line");
    assert.equal((await sendEvent()).status, 200);
    assert.match(await complete(first), /^HTTP\/1\.1 400 /m);
  });

  it("stays in order while it reads: a body in pieces is one", async () => {
    const body = stripeEvent();
    const pieces = [body.slice(0, 10), body.slice(10, 11), body.slice(11)];
    const response = await stack().gateway.fetch(path, {
      method: "POST",
      body: new ReadableStream({
        start(controller) {
          for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
          controller.close();
        },
      }),
      headers: { "Content-Type": "application/json", "Stripe-Signature": signatureOf(body) },
      token: null,
      duplex: "half",
    });
    assert.equal(response.status, 200);
  });
});

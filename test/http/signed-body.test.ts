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

  /** Begins a body of 100 bytes and sends one of them. */
  async function beginSlowly(): Promise<Socket> {
    const { hostname, port, host } = new URL(stack().gateway.url);
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    const headers = [
      `POST ${path} HTTP/1.1`,
      `Host: ${host}`,
      "Content-Type: application/json",
      "Content-Length: 100",
      "Expect: 100-continue",
      "Stripe-Signature: t=1,v1=0",
    ];
    socket.write(`${headers.join("\r\n")}\r\n\r\n`);
    // The body is being read from here on.
    const [received] = (await once(socket, "data")) as [Buffer];
    assert.match(received.toString(), /^HTTP\/1\.1 100 /);
    socket.write("{");
    return socket;
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
    const slow: Socket[] = [];
    for (let i = 0; i < 33; i++) slow.push(await beginSlowly());
    const [first, second, ...others] = slow;
    assert.ok(first && second);
    const responseOf = async (socket: Socket) => String(((await once(socket, "data")) as [Buffer])[0]);
    assert.match(await responseOf(first), /^HTTP\/1\.1 408 [^]*\r\nConnection: close\r\n/i);
    const next = responseOf(second);
    assert.equal((await sendEvent()).status, 200);
    assert.match(await next, /^HTTP\/1\.1 408 /);
    assert.ok(others.every((socket) => !socket.readableEnded));
    for (const socket of slow) socket.destroy();
  });

  it("reads a body after the senders of others have left", async () => {
    const slow = await Promise.all(Array.from({ length: 20 }, beginSlowly));
    for (const socket of slow) socket.destroy();
    assert.equal((await sendEvent()).status, 200);
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

import assert from "node:assert/strict";
import { Code } from "@connectrpc/connect";
import { connectTo } from "../support/orchestrator.ts";
import { whenAborted, deferred } from "../support/stack.ts";
import { startUpstream } from "../support/upstream.ts";
import { readNames, sorted } from "./responses.ts";
import { sockets } from "./transports.ts";
import { until } from "../support/until.ts";

describe("Channel: resolved addresses", () => {
  it("calls the addresses of a name; streams stay where they are", async () => {
    const first = await startUpstream({ getWorkflow: () => ({ id: "1" }) });
    const port = Number(new URL(first.url).port);
    const mayEnd = deferred();
    const streamWorkflowEvents = async function* () {
      yield { eventId: 1n };
      await mayEnd.promise;
      yield { eventId: 2n };
    };
    first.rpcs.streamWorkflowEvents = streamWorkflowEvents;
    const second = await startUpstream(
      { getWorkflow: () => ({ id: "2" }), streamWorkflowEvents },
      port,
      "127.0.0.2",
    );
    const third = await startUpstream({ getWorkflow: () => ({ id: "3" }) }, port, "127.0.0.3");
    const fourth = await startUpstream({ getWorkflow: () => ({ id: "4" }) }, port, "127.0.0.4");
    let addresses = ["127.0.0.1", "127.0.0.2"];
    const { client, close } = connectTo([`http://orchestrator.test:${port}`], {
      lookUp: () => Promise.resolve(addresses),
      refreshMs: 5,
    });
    const turns = async (names: string) => {
      while (sorted(await readNames(client, 2)) !== names);
    };
    await turns("12");
    const streams = [1, 2].map(() => client.streamWorkflowEvents({})[Symbol.asyncIterator]());
    for (const events of streams) assert.equal((await events.next()).value?.eventId, 1n);
    addresses = ["127.0.0.2", "127.0.0.3"];
    await turns("23");
    assert.equal(sorted(await readNames(client, 4)), "2233");
    addresses = ["127.0.0.3", "127.0.0.4"];
    await turns("34");
    mayEnd.resolve();
    for (const events of streams) {
      assert.equal((await events.next()).value?.eventId, 2n);
      assert.equal((await events.next()).done, true);
    }
    assert.deepEqual(
      [first.calls, second.calls].map(
        (calls) => calls.filter(({ rpc }) => rpc === "StreamWorkflowEvents").length,
      ),
      [1, 1],
    );
    close();
    for (const upstream of [first, second, third, fourth]) await upstream.close();
  });

  it("resolves the name again when a subchannel is lost", async () => {
    const first = await startUpstream({ getWorkflow: () => ({ id: "1" }) });
    const port = Number(new URL(first.url).port);
    const second = await startUpstream({ getWorkflow: () => ({ id: "2" }) }, port, "127.0.0.2");
    const third = await startUpstream({ getWorkflow: () => ({ id: "3" }) }, port, "127.0.0.3");
    let addresses = ["127.0.0.1", "127.0.0.2"];
    const { client, close } = connectTo([`http://orchestrator.test:${port}`], {
      lookUp: () => Promise.resolve(addresses),
      refreshMs: 3_600_000,
    });
    while (sorted(await readNames(client, 2)) !== "12");
    addresses = ["127.0.0.2", "127.0.0.3"];
    await first.close();
    while (sorted(await readNames(client, 2)) !== "23");
    close();
    for (const upstream of [second, third]) await upstream.close();
  });

  it("closes every session, also of subchannels that take no more calls", async () => {
    const before = sockets();
    const first = await startUpstream({
      getWorkflow: () => ({}),
      async *streamWorkflowEvents(_request, { signal }) {
        yield { eventId: 1n };
        await whenAborted(signal);
      },
    });
    const port = Number(new URL(first.url).port);
    let addresses = ["127.0.0.1", "127.0.0.9"];
    const { client, close } = connectTo([`http://orchestrator.test:${port}`], {
      lookUp: () => Promise.resolve(addresses),
      refreshMs: 5,
    });
    const events = client.streamWorkflowEvents({})[Symbol.asyncIterator]();
    await events.next();
    addresses = ["127.0.0.8", "127.0.0.9"];
    await assert.rejects(async () => {
      for (;;) await client.getWorkflow({});
    });
    close();
    await assert.rejects(events.next(), { code: Code.Unavailable });
    await until(() => sockets() === before);
    await first.close();
  });
});

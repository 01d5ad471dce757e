import assert from "node:assert/strict";
import { createResolver } from "../../src/grpc/resolver.ts";
import type { LookUp } from "../../src/grpc/resolver.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { until } from "../support/until.ts";

/** A resolver of `hosts`, and everything that it reports. */
function watching(hosts: readonly string[], lookUp: LookUp | undefined, refreshMs = 3_600_000) {
  const seen: Record<string, readonly string[]>[] = [];
  const lines: string[] = [];
  const watch = createResolver(hosts, {
    lookUp,
    refreshMs,
    logger: createLogger({ write: (line) => void lines.push(line) }),
    onResolved: (addresses) => seen.push(Object.fromEntries(addresses)),
  });
  return { seen, lines, watch, [Symbol.dispose]: () => watch.close() };
}

describe("createResolver", () => {
  it("reports the hosts themselves at once, and their addresses once they are resolved", async () => {
    const lookedUp: string[] = [];
    const lookUp: LookUp = (host) => {
      lookedUp.push(host);
      return Promise.resolve(host === "many" ? ["10.0.0.2", "10.0.0.1", "10.0.0.2"] : ["10.0.0.9"]);
    };
    using watched = watching(["many", "10.1.1.1", "::1", "one"], lookUp);
    const { seen } = watched;
    const still = { "10.1.1.1": ["10.1.1.1"], "::1": ["::1"], one: ["one"] };
    assert.deepEqual(seen, [{ many: ["many"], ...still }]);
    await until(() => seen.length === 2);
    assert.deepEqual(seen[1], { many: ["10.0.0.1", "10.0.0.2"], ...still });
    assert.deepEqual(lookedUp, ["many", "one"]);
  });

  it("treats one address of IPv4 and one of IPv6 as one server", async () => {
    const results: Record<string, string[]> = {
      localhost: ["::1", "127.0.0.1"],
      nobody: [],
      both: ["fd00::1", "10.0.0.1", "10.0.0.2"],
    };
    using watched = watching(Object.keys(results), (host) => Promise.resolve(results[host] ?? []));
    const { seen } = watched;
    await until(() => seen.length === 2);
    assert.deepEqual(seen[1], {
      localhost: ["localhost"],
      nobody: ["nobody"],
      both: ["10.0.0.1", "10.0.0.2", "fd00::1"],
    });
  });

  it("resolves at intervals, keeps the addresses of a name whose resolution fails, and logs the failure once", async () => {
    const results = [["a", "b"], undefined, undefined, ["b", "c"], undefined];
    let lookUps = 0;
    const lookUp: LookUp = () => {
      const result = results[lookUps++ % results.length];
      return result === undefined ? Promise.reject(new Error("no such name")) : Promise.resolve(result);
    };
    using watched = watching(["name"], lookUp, 1);
    const { seen, lines } = watched;
    await until(() => seen.length > results.length);
    assert.deepEqual(
      seen.slice(1, 6).map(({ name }) => name?.join("")),
      ["ab", "ab", "ab", "bc", "bc"],
    );
    assert.equal(lines.filter((line) => line.includes('"resolver.failed"')).length, 2);
  });

  it("resolves sooner on refresh, but at most once a second", async () => {
    const at: number[] = [];
    const lookUp: LookUp = () => {
      at.push(performance.now());
      return Promise.resolve(["a", "b"]);
    };
    using watched = watching(["name"], lookUp);
    const { seen, watch } = watched;
    await until(() => seen.length === 2);
    for (let i = 0; i < 5; i++) watch.refresh();
    await until(() => seen.length === 3);
    const [first = 0, second = 0] = at;
    assert.equal(at.length, 2);
    assert.ok(second - first > 990, `${second - first} ms`);
  });

  it("does not resolve IP addresses, and resolves nothing once it is closed", async () => {
    const lookedUp: string[] = [];
    const lookUp: LookUp = (host) => {
      lookedUp.push(host);
      return Promise.resolve([]);
    };
    using addresses = watching(["127.0.0.1"], lookUp, 1);
    addresses.watch.refresh();
    const { seen, watch } = watching(["closed"], lookUp, 1);
    watch.close();
    using another = watching(["open"], lookUp, 1);
    await until(() => another.seen.length > 5);
    assert.deepEqual([seen.length, addresses.seen.length], [1, 1]);
    assert.equal(lookedUp.filter((host) => host === "closed").length, 1);
    assert.ok(!lookedUp.includes("127.0.0.1"));
  });

  it("resolves names by the operating system", async () => {
    using watched = watching(["localhost"], undefined);
    await until(() => watched.seen.length === 2);
    assert.ok(
      watched.seen[1]?.["localhost"]?.every((host) => ["localhost", "127.0.0.1", "::1"].includes(host)),
    );
  });
});

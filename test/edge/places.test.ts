import assert from "node:assert/strict";
import { Places } from "../../src/edge/places.ts";

describe("Places", () => {
  it("has as many as the limit says at the time, and gives them free", () => {
    let limit = 2;
    const places = new Places(() => limit);
    assert.deepEqual([places.take(), places.take(), places.take()], [true, true, false]);
    limit = 3;
    assert.deepEqual([places.take(), places.take()], [true, false]);
    limit = 1;
    places.give();
    places.give();
    assert.equal(places.take(), false);
    places.give();
    assert.equal(places.take(), true);
  });

  it("gives those that become free to who waits, in the order of asking, before anybody new", async () => {
    let limit = 1;
    const places = new Places(() => limit);
    const came: string[] = [];
    const asked = ["a", "b", "c", "d"].map(async (name) => {
      await places.takeNext();
      came.push(name);
    });
    await asked[0];
    assert.deepEqual(came, ["a"]);
    places.give();
    assert.equal(places.take(), false);
    await asked[1];
    assert.deepEqual(came, ["a", "b"]);
    limit = 2;
    assert.equal(places.take(), false);
    await asked[2];
    assert.deepEqual(came, ["a", "b", "c"]);
    limit = 3;
    let isLast = false;
    const last = places.takeNext().then(() => (isLast = true));
    await asked[3];
    assert.ok(!isLast);
    places.give();
    await last;
    assert.deepEqual(came, ["a", "b", "c", "d"]);
  });
});

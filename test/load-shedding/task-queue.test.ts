import assert from "node:assert/strict";
import { TaskQueue } from "../../src/load-shedding/task-queue.ts";

/** Blocks the event loop for so long. */
function work(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

/** Calls `note` in every turn of the event loop until `act` is done. */
async function watchTurns(note: () => void, act: () => Promise<unknown>): Promise<void> {
  let next: NodeJS.Immediate;
  const turn = () => {
    note();
    next = setImmediate(turn);
  };
  next = setImmediate(turn);
  await act();
  clearImmediate(next);
}

describe("TaskQueue", () => {
  it("yields to the event loop between the slices of a long task", async () => {
    const tasks = new TaskQueue();
    const order: string[] = [];
    function* slices() {
      for (let slice = 0; slice < 5; slice += 1) {
        work(10);
        order.push("slice");
        yield;
      }
    }
    await watchTurns(
      () => order.push("turn"),
      () => tasks.run(undefined, slices()),
    );
    assert.equal(order.filter((what) => what === "slice").length, 5);
    assert.ok(!order.join(" ").includes("slice slice"), order.join(" "));
  });

  it("runs many short slices in one turn", async () => {
    const tasks = new TaskQueue();
    let turns = 0;
    let slices = 0;
    function* countSteps() {
      for (; slices < 1000; slices += 1) yield;
    }
    await watchTurns(
      () => (turns += 1),
      () => tasks.run(undefined, countSteps()),
    );
    assert.equal(slices, 1000);
    assert.ok(turns < 100, `${turns} turns`);
  });

  it("starts no task in the turn of the call", async () => {
    const tasks = new TaskQueue();
    const started: string[] = [];
    function* slices() {
      started.push("run");
      yield;
    }
    const all = [tasks.run(undefined, slices()), tasks.runOnce(undefined, () => started.push("runOnce"))];
    await Promise.resolve();
    assert.deepEqual(started, []);
    await Promise.all(all);
    assert.deepEqual(started, ["run", "runOnce"]);
  });

  it("runs the tasks of one owner one after another, and yields between them", async () => {
    const tasks = new TaskQueue();
    const order: string[] = [];
    function* slices(name: string) {
      for (let slice = 0; slice < 3; slice += 1) {
        order.push(name);
        yield;
      }
    }
    await watchTurns(
      () => order.push("-"),
      () =>
        Promise.all([
          tasks.run(undefined, slices("a")),
          tasks.runOnce(undefined, () => order.push("b")),
          tasks.run(undefined, slices("c")),
          tasks.runOnce(undefined, () => order.push("d")),
        ]),
    );
    assert.equal(order.filter((what) => what !== "-").join(""), "aaabcccd");
    assert.match(order.join(""), /a-+b-+c.*c-+d/);
  });

  it("alternates between owners, and keeps the order of the tasks of each", async () => {
    const tasks = new TaskQueue();
    const turns: string[] = [];
    const durations: number[] = [];
    /** Each slice takes a whole turn. */
    function* slices(name: string, count: number) {
      for (let slice = 0; slice < count; slice += 1) {
        turns.push(name);
        const begin = performance.now();
        work(10);
        durations.push(performance.now() - begin);
        yield;
      }
    }
    const all = ["a1", "a2", "a3"].map((name) => tasks.run("a", slices(name, 3)));
    const others = [tasks.run("b", slices("b", 2)), tasks.run(undefined, slices("-", 1))];
    await Promise.all([...all, ...others]);
    assert.equal(turns.filter((name) => name.startsWith("a")).join(), "a1,a1,a1,a2,a2,a2,a3,a3,a3");
    assert.equal(turns.slice(0, 3).join(), "a1,b,-");
    // The second turn of b comes once a has had as much time as b.
    const [first, second] = [turns.indexOf("b"), turns.lastIndexOf("b")];
    const ofA = durations.slice(0, second).filter((_, turn) => turns[turn]!.startsWith("a"));
    const timeOfA = ofA.slice(0, -2).reduce((sum, ms) => sum + ms, 0);
    assert.ok(timeOfA < durations[first]! + 5, `${turns.join()} ${durations.join()}`);
  });

  it("gives an owner as much time as another that returns after each of its turns", async () => {
    const tasks = new TaskQueue();
    let isDone = false;
    let shortTurns = 0;
    async function returnAlways() {
      while (!isDone && shortTurns < 10_000) {
        await tasks.runOnce("short", () => work(1));
        shortTurns += 1;
      }
    }
    function* slices() {
      for (let turn = 0; turn < 10; turn += 1) {
        work(10);
        yield;
      }
    }
    const others = [returnAlways(), returnAlways()];
    await tasks.run("long", slices());
    isDone = true;
    await Promise.all(others);
    // About 100 turns take as long as the long task; without fairness there are 10,000.
    assert.ok(shortTurns < 500, `${shortTurns} short turns`);
  });

  it("resolves to the return value of a single slice", async () => {
    assert.equal(await new TaskQueue().runOnce(undefined, () => 7), 7);
  });

  it("rejects with what a task throws, and runs the next", async () => {
    const tasks = new TaskQueue();
    const failure = new RangeError("no message");
    const done: string[] = [];
    function* failing() {
      yield;
      throw failure;
    }
    function* slices() {
      done.push("run");
      yield;
    }
    const failed = [
      assert.rejects(tasks.run(undefined, failing()), failure),
      assert.rejects(
        tasks.runOnce(undefined, () => {
          throw failure;
        }),
        failure,
      ),
    ];
    const others = [tasks.run(undefined, slices()), tasks.runOnce(undefined, () => done.push("runOnce"))];
    await Promise.all([...failed, ...others]);
    assert.deepEqual(done, ["run", "runOnce"]);
  });
});

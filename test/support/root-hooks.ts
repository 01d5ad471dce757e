import type { Context, RootHookObject, Suite } from "mocha";
import { closeSince, nextPlace, watchOpening } from "./leftovers.ts";

watchOpening();

/** Of each suite, the place of what is opened after its `before` hooks. */
const afterHooks = new Map<Suite, number>();
let testBegan = 0;

/**
 * Mocha's root hooks: what a test has opened ends with the test, and what the hooks of a suite have opened ends with the
 * suite. After a test that failed its connections are closed as well, so that nothing that it still does reaches the
 * next one.
 */
export const mochaHooks: RootHookObject = {
  beforeAll(this: Context) {
    const root = this.test!.parent!;
    afterHooks.set(root, nextPlace());
    root.suites.forEach(closeWithSuite);
  },
  beforeEach() {
    testBegan = nextPlace();
  },
  async afterEach(this: Context) {
    await closeSince(testBegan, { withConnections: this.currentTest?.state !== "passed" });
  },
};

/** A suite's own `before` hooks run before the one that is added here, its own `after` hooks likewise. */
function closeWithSuite(suite: Suite): void {
  suite.beforeAll("note what the hooks have opened", () => void afterHooks.set(suite, nextPlace()));
  suite.afterAll("close what is left", () => closeSince(afterHooks.get(suite.parent!)!));
  suite.suites.forEach(closeWithSuite);
}

import type { HandlerContext } from "@connectrpc/connect";
import { JobState } from "../../generated/proto/foldforge/common/v1/common_pb.js";
import type { Workflow } from "../../generated/proto/foldforge/orchestrator/v1/orchestrator_pb.js";
import { stepEvent, workflowEvent, workflowIn } from "./samples.ts";
import { whenAborted, deferred } from "./stack.ts";
import type { Upstream } from "./upstream.ts";

/** A running workflow, which can be read and followed. */
export interface RunningWorkflow {
  /** Resolves when a client follows it, to a signal that aborts when the client has disconnected. */
  readonly followed: Promise<AbortSignal>;
  /** Resolves when so many clients follow it. */
  followers(count: number): Promise<void>;
  /** Ends it. */
  end(): void;
}

interface RunOptions {
  /** Its terminal state. */
  readonly last?: JobState;
  /** The workflow while it runs. */
  readonly running?: Workflow;
}

/** Makes `upstream` return such a workflow for every id. */
export function runWorkflow(
  { rpcs }: Upstream,
  { last = JobState.SUCCEEDED, running = workflowIn(JobState.RUNNING) }: RunOptions = {},
): RunningWorkflow {
  let state: JobState = JobState.RUNNING;
  const followed = deferred<AbortSignal>();
  const ended = deferred();
  let following = 0;
  let changed = deferred();

  function count(change: number) {
    following += change;
    changed.resolve();
    changed = deferred();
  }

  rpcs.getWorkflow = () => (state === JobState.RUNNING ? running : workflowIn(state));
  rpcs.streamWorkflowEvents = async function* (_request, { signal: left }: HandlerContext) {
    yield workflowEvent(0n, state);
    yield stepEvent(1n);
    followed.resolve(left);
    count(1);
    await Promise.race([ended.promise, whenAborted(left)]);
    count(-1);
    if (!left.aborted) yield workflowEvent(2n, state);
  };
  return {
    followed: followed.promise,
    async followers(count) {
      while (following !== count) await changed.promise;
    },
    end() {
      state = last;
      ended.resolve();
    },
  };
}

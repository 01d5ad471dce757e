import { withoutMinimumLevel } from "./logger.ts";
import type { Logger } from "./logger.ts";
import type { Requester } from "./requester.ts";

/** Credits that Stripe's event about a paid session adds. */
interface Grant {
  /** Who gets them. */
  readonly principal: string;
  readonly credits: number;
  readonly sessionId: string;
}

/** Logs each change that a request has made, whatever the minimum log level is. */
export interface Audit {
  workflowSubmitted(by: Requester, workflowId: string): void;
  workflowCancelled(by: Requester, workflowId: string): void;
  workflowRetried(by: Requester, workflowId: string): void;
  /** The requester is whoever has sent the event, which Stripe has signed. */
  creditsGranted(by: Requester, grant: Grant): void;
}

export function createAudit(logger: Logger): Audit {
  const always = withoutMinimumLevel(logger);
  const log = (event: string, fields: object) => always.info({ event, ...fields }, event);

  return {
    workflowSubmitted: (by, id) => log("workflow.submitted", { ...by, workflow_id: id }),
    workflowCancelled: (by, id) => log("workflow.cancelled", { ...by, workflow_id: id }),
    workflowRetried: (by, id) => log("workflow.retried", { ...by, workflow_id: id }),
    creditsGranted: (by, { principal, credits, sessionId }) =>
      log("credits.granted", { ...by, actor: "stripe", principal, credits, session_id: sessionId }),
  };
}

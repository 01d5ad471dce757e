import { nameStem } from "./artifact-name.ts";
import { artifactsPath } from "./artifact-path.ts";

/** What a message is part of. */
export type Scope = WorkflowScope | StepScope;

/** A workflow. Its id is read when it is needed. */
export class WorkflowScope {
  readonly #readId: () => string;
  #hrefStart: Uint8Array | undefined;

  constructor(readId: () => string) {
    this.#readId = readId;
  }

  get workflowId(): string {
    return this.#readId();
  }

  /** What the member `href` of each artifact begins with; empty if the id cannot be part of a path. */
  get hrefStart(): Uint8Array {
    return (this.#hrefStart ??= hrefStartOf(this.workflowId));
  }
}

/** The status of a step, and the workflow that it belongs to, if that is known. */
export class StepScope {
  readonly #workflow: Scope | undefined;
  readonly #readId: () => string;
  #id: string | undefined;
  #nameStart: Uint8Array | undefined;
  #artifacts = 0;

  constructor(workflow: Scope | undefined, readId: () => string) {
    this.#workflow = workflow;
    this.#readId = readId;
  }

  get workflowId(): string | undefined {
    return this.#workflow?.workflowId;
  }

  get stepId(): string {
    return (this.#id ??= this.#readId());
  }

  /** The `hrefStart` of the workflow; empty if that is not known. */
  get hrefStart(): Uint8Array {
    return this.#workflow?.hrefStart ?? empty;
  }

  /** What the member `name` of each artifact begins with. */
  get nameStart(): Uint8Array {
    return (this.#nameStart ??= Buffer.from(`"name":"${nameStem(this.stepId)}-`));
  }

  /** The index of the next artifact that is written. */
  nextIndex(): number {
    return this.#artifacts++;
  }
}

const empty = new Uint8Array();

function hrefStartOf(workflowId: string): Uint8Array {
  const path = artifactsPath(workflowId);
  return path === undefined ? empty : Buffer.from(`,"href":"${path}/`);
}

import type { IncomingMessage, RequestListener } from "node:http";
import express from "express";
import type { Authenticator } from "../auth/authenticator.ts";
import { keyHashOf } from "../auth/caller.ts";
import { isSigned } from "../contract.ts";
import type { Contract, Operation } from "../contract.ts";
import type { LoadShedding } from "../load-shedding/load-shedding.ts";
import { authentication } from "../middleware/authentication.ts";
import { callOptions } from "../middleware/call-options.ts";
import { client } from "../middleware/client.ts";
import { framing } from "../middleware/framing.ts";
import { observation } from "../middleware/observation.ts";
import { securityHeaders } from "../middleware/security-headers.ts";
import { trace } from "../middleware/trace.ts";
import { validation } from "../middleware/validation.ts";
import type { Operations } from "../operations.ts";
import type { RequestKind } from "../telemetry/gauges.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import type { StartRequestSpan } from "../telemetry/request-spans.ts";
import { knownParams } from "../validation/param-warnings.ts";
import type { ValidatorOf } from "../validation/request-validator.ts";
import { jsonBody } from "./body.ts";
import type { BodyOptions } from "./body.ts";
import type { FindClient } from "./client.ts";
import { hasBody } from "./connections.ts";
import { crossOrigin, preflight } from "./cors.ts";
import type { AllowedOrigins } from "./cors.ts";
import { docsRedirect } from "./docs-redirect.ts";
import { errorHandler } from "./error-handler.ts";
import { createMessageClasses } from "./message-classes.ts";
import type { MessageClasses } from "./message-classes.ts";
import { inOrder } from "./stages.ts";
import type { AuthenticatedLocals, Middleware, OperationLocals, ServerStage } from "./stages.ts";
import { signedBody } from "./signed-body.ts";
import { originForm } from "./origin-form.ts";
import { validateOnly } from "./validate-only.ts";
import { createRouter, dispatch, matchRoute, methodNotAllowed, notFound } from "./router.ts";
import type { RouteMatch } from "./router.ts";

export interface PipelineOptions extends BodyOptions {
  readonly contract: Contract;
  readonly validatorOf: ValidatorOf;
  readonly operations: Operations;
  readonly authenticator: Authenticator;
  /** Undefined: no request is shed. */
  readonly shed: LoadShedding["shed"] | undefined;
  /** Undefined: no page of another origin may call. */
  readonly allowedOrigins: AllowedOrigins | undefined;
  readonly findClient: FindClient;
  /** Undefined: no spans are exported. */
  readonly startSpan: StartRequestSpan | undefined;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly rpcTimeoutMs: number;
  /** More stages of every operation, before its validation. */
  readonly operationStages?: readonly Middleware[] | undefined;
}

/** The listener of all requests, and the classes that its server creates requests and responses of. */
export interface Pipeline {
  readonly listener: RequestListener;
  readonly messageClasses: MessageClasses;
}

/**
 * Creates the listener of all requests. It has every stage between the socket and the handlers, in order; each responds
 * or passes the request on. Throws when the contract does not compile.
 */
export function createPipeline(options: PipelineOptions): Pipeline {
  const { contract, validatorOf, allowedOrigins, logger, metrics } = options;
  const params = knownParams(contract.document);

  // Before Express, so that a request that is shed costs little.
  const beforeExpress: readonly ServerStage[] = [
    originForm,
    validateOnly,
    matchRoute(createRouter(contract.paths)),
    crossOrigin(allowedOrigins),
    shedLoad(options.shed),
  ];
  const everyRequest: readonly Middleware[] = [
    client(options.findClient),
    trace(options.startSpan),
    observation(metrics, logger),
    securityHeaders,
    framing,
  ];
  const stagesOf = (operation: Operation): readonly Middleware<OperationLocals>[] => [
    ...(operation.secured
      ? [authentication(options.authenticator, operation.isSafe ? "read" : "write"), keyShare]
      : []),
    ...bodyStages(operation, options),
    ...(options.operationStages ?? []),
    validation(operation, validatorOf(operation), params),
    ...(operation.secured || isSigned(operation) ? [callOptions(options.rpcTimeoutMs)] : []),
    // Each operation has its own request type, which holds after the validation; Express has one for all.
    options.operations[operation.id] as Middleware<OperationLocals>,
  ];
  const withoutOperation: readonly Middleware[] = [
    preflight(allowedOrigins),
    docsRedirect(contract.paths),
    methodNotAllowed,
    notFound(contract.paths),
  ];

  const runStages = inOrder([...everyRequest, dispatch(contract.paths, stagesOf), ...withoutOperation]);
  const handleError = errorHandler(logger);
  const serveRequest: Middleware<OperationLocals> = (req, res, next) =>
    runStages(req, res, (error) => handleError(error, req, res, next));
  const app = express().disable("x-powered-by").disable("query parser").use(serveRequest);
  const run = inOrder([...beforeExpress, app]);
  return {
    listener: (req, res) => run(req, Object.assign(res, { locals: { match: undefined } }), throwUncaught),
    messageClasses: createMessageClasses(app),
  };
}

/** The stages that read the body, if there is one: as JSON, or, if it is signed, as bytes. */
function bodyStages(operation: Operation, options: BodyOptions): readonly Middleware<OperationLocals>[] {
  if (operation.requestBody === undefined) return [];
  return isSigned(operation) ? signedBody() : jsonBody(options);
}

/** Before Express there is no error handler: an error is a bug, and ends the process like every uncaught exception. */
function throwUncaught(error: unknown): void {
  if (error !== undefined)
    throw error instanceof Error ? error : new Error("a stage failed", { cause: error });
}

/** Rejects requests above the concurrency limit; none without `shed`. */
function shedLoad(shed: LoadShedding["shed"] | undefined): ServerStage {
  return function shedLoad(req, res, next) {
    if (shed === undefined) return next();
    shed(req, res, kindOf(req, res.locals.match), (permit) => {
      res.locals.permit = permit;
      next();
    });
  };
}

/**
 * Throws 429 when the caller's key already holds its share of the requests in flight. Runs directly after
 * authentication, because a later rejection would cost more.
 */
const keyShare: Middleware<Pick<AuthenticatedLocals, "caller" | "permit">> = (_req, res, next) => {
  const { permit, caller } = res.locals;
  permit?.acquireShare(keyHashOf(caller));
  next();
};

/** The limit that a request counts against; undefined for health and metrics, which overload must not stop. */
function kindOf(req: IncomingMessage, match: RouteMatch | undefined): RequestKind | undefined {
  if (match?.path.operations.every(({ tags }) => tags.includes("Health")) === true) return undefined;
  if (match?.path.isStream === true) return "event_stream";
  return hasBody(req) ? "with_body" : "other";
}

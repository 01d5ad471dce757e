import type { ServerResponse } from "node:http";
import express from "express";
import type { Express, RequestHandler } from "express";
import type { Authenticator } from "../auth/authenticator.ts";
import type { Contract, Path } from "../contract.ts";
import { sendJson } from "./json-response.ts";
import type { Middleware } from "./locals.ts";
import { authentication } from "../middleware/authentication.ts";
import { jsonBody } from "./body.ts";
import type { BodyQueues } from "./body.ts";
import { deadline } from "../middleware/deadline.ts";
import { dispatch } from "./router.ts";
import type { PathEntry } from "./router.ts";
import { errors } from "./error-handler.ts";
import { framing } from "../middleware/framing.ts";
import { keyShare } from "../middleware/key-share.ts";
import { methodNotAllowed } from "./method-not-allowed.ts";
import { notFound } from "./not-found.ts";
import { observation } from "../middleware/observation.ts";
import { preflight } from "./preflight.ts";
import { responseValidation } from "../middleware/response-validation.ts";
import { route } from "./route.ts";
import { securityHeaders } from "../middleware/security-headers.ts";
import { validation } from "../middleware/validation.ts";
import type { Operations } from "../operations.ts";
import type { Logger } from "../telemetry/logger.ts";
import type { Metrics } from "../telemetry/metrics.ts";
import { createRequestValidators } from "../validation/request-validator.ts";

/** What the pipeline is made of. */
interface AppParts extends BodyQueues {
  /** Gives each request its trace. */
  readonly trace: Middleware;
  readonly contract: Contract;
  readonly operations: Operations;
  readonly authenticator: Authenticator;
  /** Acquires one of a key's share of the requests in flight; throws 429. */
  readonly acquireShare: (res: ServerResponse, keyHash: string | undefined) => void;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly rpcTimeoutMs: number;
  /** Whether pages of other origins may call. */
  readonly answersPreflights: boolean;
  readonly validateResponses: boolean;
}

/** The order in which a request passes through the gateway; throws when the contract does not compile. */
export function createPipeline(parts: AppParts): Express {
  const { document, paths } = parts.contract;
  const requestValidatorOf = createRequestValidators(document);
  const checkResponses = parts.validateResponses ? responseValidation(document) : [];
  const answerErrors = errors(parts.logger);
  const readBody = jsonBody(parts);

  function entryFor(path: Path): PathEntry {
    const router = express.Router({ strict: true, caseSensitive: true });
    const own = router.route(path.route);
    const refuse = methodNotAllowed(path);
    // Express answers HEAD with the handler of GET, and an event stream has no end to answer with.
    if (!path.allowed.includes("HEAD")) own.head(refuse);
    for (const operation of path.operations) {
      const use = operation.isSafe ? "read" : "write";
      const pipeline: unknown[] = [
        route(operation),
        operation.secured
          ? [
              authentication(parts.authenticator, use),
              keyShare(parts.acquireShare),
              deadline(parts.rpcTimeoutMs),
            ]
          : [],
        operation.hasBody ? readBody : [],
        checkResponses,
        validation(operation, requestValidatorOf(operation)),
        parts.operations[operation.id],
      ];
      // Express's types want one type of request for all of them; the validation is what makes it the handler's.
      own[operation.method](pipeline as RequestHandler[]);
    }
    if (parts.answersPreflights) own.options(preflight(path));
    own.all(refuse);
    // A router lets go of an error only in the next turn of the event loop, when the client may have gone.
    router.use(answerErrors);
    return { route: path.route, router };
  }

  const app = express();
  app.disable("x-powered-by").disable("query parser");
  app.response.json = sendJson;
  app.use(parts.trace, observation(parts.metrics, parts.logger), securityHeaders, framing);
  app.use(dispatch(paths.map(entryFor)), notFound, answerErrors);
  return app;
}

import express from "express";
import type { Express, RequestHandler } from "express";
import type { Authenticator } from "./auth/authenticator.ts";
import type { Contract } from "./contract.ts";
import { authentication } from "./middleware/authentication.ts";
import { jsonBody, noBody } from "./middleware/body.ts";
import { deadline } from "./middleware/deadline.ts";
import { errors } from "./middleware/errors.ts";
import { methodNotAllowed } from "./middleware/method-not-allowed.ts";
import { notFound } from "./middleware/not-found.ts";
import { observation } from "./middleware/observation.ts";
import { route } from "./middleware/route.ts";
import { securityHeaders } from "./middleware/security-headers.ts";
import { trace } from "./middleware/trace.ts";
import { validation } from "./middleware/validation.ts";
import type { Operations } from "./operations.ts";
import type { Logger } from "./telemetry/logger.ts";
import type { Metrics } from "./telemetry/metrics.ts";

/** What the pipeline is made of. */
interface AppParts {
  readonly contract: Contract;
  readonly operations: Operations;
  readonly authenticator: Authenticator;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly rpcTimeoutMs: number;
  readonly validateResponses: boolean;
}

/** The order in which a request passes through the gateway; rejects when the contract does not compile. */
export async function createApp(parts: AppParts): Promise<Express> {
  const app = express();
  app.disable("x-powered-by").disable("etag").enable("strict routing").enable("case sensitive routing");
  app.set("query parser", "simple");

  app.use(trace(parts.logger), observation(parts.metrics), securityHeaders);
  for (const path of parts.contract.paths) {
    const refuse = methodNotAllowed(path);
    if (!path.allowed.includes("HEAD")) app.head(path.route, refuse);
    for (const operation of path.operations) {
      const pipeline: unknown[] = [
        route(operation),
        operation.secured ? [authentication(parts.authenticator), deadline(parts.rpcTimeoutMs)] : [],
        operation.hasBody ? jsonBody : noBody,
        await validation(app, parts.contract.document, operation, { responses: parts.validateResponses }),
        parts.operations[operation.id],
      ];
      // Express's types want one type of request for all of them; the validation is what makes it the handler's.
      app[operation.method](path.route, pipeline as RequestHandler[]);
    }
    app.all(path.route, refuse);
  }
  app.use(notFound, errors);
  return app;
}

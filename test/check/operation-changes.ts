import { isDeepStrictEqual } from "node:util";
import { changeOf, compareOthers, compareValues, textOf } from "./comparison.ts";
import type { Comparison } from "./comparison.ts";
import { arrayOr, isObject, members, objectOr, resolved } from "./openapi-document.ts";
import type { JsonObject, Resolved } from "./openapi-document.ts";
import { compareSchemas } from "./schema-changes.ts";
import type { Direction } from "./schema-effects.ts";

/** An operation of an OpenAPI document. */
export interface Operation {
  /** Method and path: `GET /v1/workflows`. */
  readonly route: string;
  readonly id: string;
  readonly value: JsonObject;
  /** The path that it belongs to, with the parameters of all its operations. */
  readonly path: JsonObject;
}

/** The members of a path that are operations. */
const methods = ["get", "put", "post", "delete", "options", "head", "patch", "trace"];

/** The operations of an OpenAPI document. */
export function operationsOf({ paths }: JsonObject): Operation[] {
  return members(paths).flatMap(([template, path]) =>
    members(path)
      .filter(([method]) => methods.includes(method))
      .map(([method, value]) => {
        const route = `${method.toUpperCase()} ${template}`;
        return { route, id: textOf(value["operationId"] ?? route), value, path };
      }),
  );
}

/** Reports what breaks clients when an operation becomes another. */
export function compareOperations(
  comparison: Comparison,
  before: Operation,
  after: Operation | undefined,
): void {
  const where = before.route;
  const notFound = "clients get 404 or 405";
  if (after === undefined) return comparison.report(where, "is gone", notFound);
  if (after.route !== where) comparison.report(where, `is now ${after.route}`, notFound);
  const [was, is] = [before.value, after.value];
  const losses = {
    operationId: "generated clients have another method",
    tags: "some generators name classes after tags",
  };
  for (const [key, loss] of Object.entries(losses))
    compareValues(comparison, where, key, was[key], is[key], loss);
  compareSecurity(comparison, where, was, is);
  compareParameters(comparison, before, after);
  compareBodies(comparison, where, was["requestBody"], is["requestBody"]);
  compareResponses(comparison, where, was["responses"], is["responses"]);
  const compared = ["security", "parameters", "requestBody", "responses", ...Object.keys(losses)];
  compareOthers(comparison, where, was, is, compared);
  compareOthers(comparison, where, before.path, after.path, ["parameters", ...methods]);
}

function compareSecurity(comparison: Comparison, where: string, before: JsonObject, after: JsonObject): void {
  const was = securityOf(comparison.before, before);
  const is = securityOf(comparison.after, after);
  if (isDeepStrictEqual(was, is)) return;
  // Without a requirement, or with one that nothing satisfies, a request needs no credentials.
  if (is.length === 0 || is.some((schemes) => schemes.length === 0))
    comparison.report(where, "requires no token", "anybody can call it");
  else comparison.report(where, changeOf("security", was, is), "requests with what was required get 401");
}

/** The alternatives of an operation, each with its schemes: not with their names, which the components report. */
function securityOf(document: JsonObject, { security = document["security"] }: JsonObject): unknown[][] {
  const schemes = objectOr(objectOr(document["components"])["securitySchemes"]);
  return arrayOr(security).map((alternative) =>
    Object.entries(objectOr(alternative)).map(([name, scopes]) => {
      const { type, scheme, in: place, name: parameter } = objectOr(schemes[name]);
      return { type, scheme, in: place, name: parameter, scopes };
    }),
  );
}

function compareParameters(comparison: Comparison, before: Operation, after: Operation): void {
  const { route } = before;
  const was = parametersOf(comparison.before, before);
  const is = parametersOf(comparison.after, after);
  for (const [key, parameter] of was) {
    const successor = is.get(key);
    const where = `${route}, ${key}`;
    if (successor !== undefined)
      compareParameter(comparison, whereOf("parameter", parameter, where), parameter.value, successor.value);
    else if (key.startsWith("query")) comparison.report(where, "is gone", "requests with it get 400");
    else comparison.report(where, "is gone", "it has no effect any more");
  }
  for (const [key, { value }] of is)
    if (!was.has(key) && value["required"] === true)
      comparison.report(`${route}, ${key}`, "is new and required", "requests without it get 400");
}

/** The parameters of an operation by place and name: `query page_size`. */
function parametersOf(document: JsonObject, { path, value }: Operation): Map<string, Resolved> {
  const parameters = [...arrayOr(path["parameters"]), ...arrayOr(value["parameters"])];
  return new Map(
    parameters.map((parameter) => {
      const found = resolved(document, parameter);
      const [place, name] = [textOf(found.value["in"]), textOf(found.value["name"])];
      return [`${place} ${place === "header" ? name.toLowerCase() : name}`, found];
    }),
  );
}

/** The name of a component, for which a change is reported once; otherwise where it stands. */
function whereOf(kind: string, { name }: Resolved, where: string): string {
  return name === undefined ? where : `${kind} ${name}`;
}

function compareParameter(
  comparison: Comparison,
  where: string,
  before: JsonObject,
  after: JsonObject,
): void {
  compareRequired(comparison, where, "request", before, after);
  const permissions = ["allowReserved", "allowEmptyValue"];
  for (const permission of permissions)
    if (before[permission] === true && after[permission] !== true)
      comparison.report(where, `${permission} is gone`, "requests that were valid may get 400");
  compareOthers(comparison, where, serializationOf(before), serializationOf(after), []);
  compareSchemas(comparison, { where, direction: "request" }, before["schema"], after["schema"]);
  compareContent(comparison, where, "request", before, after);
  const compared = ["name", "in", "required", "style", "explode", "schema", "content", ...permissions];
  compareOthers(comparison, where, before, after, compared);
}

/** How a parameter is written, with OpenAPI's defaults. */
function serializationOf({ in: place, style, explode }: JsonObject): JsonObject {
  const written = style ?? (place === "query" ? "form" : "simple");
  return { style: written, explode: explode ?? written === "form" };
}

function compareBodies(comparison: Comparison, route: string, given: unknown, now: unknown): void {
  const before = resolved(comparison.before, given);
  const after = resolved(comparison.after, now);
  const where = whereOf("body", before, `${route}, body`);
  if (given !== undefined && now === undefined)
    return comparison.report(where, "is gone", "it has no effect any more");
  compareRequired(comparison, where, "request", before.value, after.value);
  compareContent(comparison, where, "request", before.value, after.value);
  compareOthers(comparison, where, before.value, after.value, ["required", "content"]);
}

function compareResponses(comparison: Comparison, route: string, given: unknown, now: unknown): void {
  for (const [status, response] of Object.entries(objectOr(given))) {
    const where = `${route}, ${status}`;
    const successor = objectOr(now)[status];
    if (successor === undefined) {
      comparison.report(where, "is gone", "clients do not know what they get instead");
      continue;
    }
    const before = resolved(comparison.before, response);
    const { value: after } = resolved(comparison.after, successor);
    const named = whereOf("response", before, where);
    compareHeaders(comparison, named, before.value["headers"], after["headers"]);
    compareContent(comparison, named, "response", before.value, after);
    compareOthers(comparison, named, before.value, after, ["headers", "content"]);
  }
}

function compareHeaders(comparison: Comparison, response: string, given: unknown, now: unknown): void {
  const successors = new Map(
    Object.entries(objectOr(now)).map(([name, value]) => [name.toLowerCase(), value]),
  );
  for (const [name, header] of Object.entries(objectOr(given))) {
    const where = `${response}, header ${name}`;
    const successor = successors.get(name.toLowerCase());
    if (successor === undefined) {
      comparison.report(where, "is gone", "clients no longer receive it");
      continue;
    }
    const before = resolved(comparison.before, header);
    const { value: after } = resolved(comparison.after, successor);
    const place = { where: whereOf("response header", before, where), direction: "response" } as const;
    compareRequired(comparison, place.where, "response", before.value, after);
    compareSchemas(comparison, place, before.value["schema"], after["schema"]);
    compareContent(comparison, place.where, "response", before.value, after);
    compareOthers(comparison, place.where, before.value, after, ["required", "schema", "content"]);
  }
}

/** Compares whether a parameter, a body or a header of a response must be present. */
function compareRequired(
  { report }: Comparison,
  where: string,
  direction: Direction,
  before: JsonObject,
  after: JsonObject,
): void {
  const [was, is] = [before["required"] === true, after["required"] === true];
  if (direction === "request" && is && !was) report(where, "is required now", "requests without it get 400");
  if (direction === "response" && was && !is) report(where, "is no longer required", "responses may lack it");
}

/** Compares the media types of a parameter, body, response or header, and the schema of each. */
function compareContent(
  comparison: Comparison,
  where: string,
  direction: Direction,
  before: JsonObject,
  after: JsonObject,
): void {
  const remaining = objectOr(after["content"]);
  for (const [type, media] of members(before["content"])) {
    const successor = remaining[type];
    if (isObject(successor)) {
      compareSchemas(comparison, { where, direction }, media["schema"], successor["schema"]);
      compareOthers(comparison, where, media, successor, ["schema"]);
    } else {
      const loss =
        direction === "request" ? "requests with it get 415" : "clients that need it do not get it";
      comparison.report(where, `${type} is gone`, loss);
    }
  }
}

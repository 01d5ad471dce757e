import { METHODS } from "node:http";
import { adminToken } from "../support/gateway.ts";

/** Raw requests with `text` in each place that a client controls. */
export function hostileRequests(text: string): string[] {
  const admin = `Authorization: Bearer ${adminToken}`;
  const head = (method: string, target: string, ...lines: string[]) =>
    [`${method} ${target} HTTP/1.1`, "Host: gateway", "Connection: close", ...lines, "", ""].join("\r\n");
  function post(body: unknown, target = "/v1/workflows"): string {
    const json = JSON.stringify(body);
    const length = `Content-Length: ${Buffer.byteLength(json)}`;
    return head("POST", target, admin, "Content-Type: application/json", length) + json;
  }
  const step = { id: "a", tool: "af2" };

  return [
    ...METHODS.filter((method) => method !== "CONNECT").flatMap((method) => [
      head(method, `/v1/workflows/${text}`, admin),
      head(method, `/${text}`),
    ]),
    head("CONNECT", `${text}:80`),
    head(text, "/v1/workflows"),
    head("GET", `/v1/workflows/${text}%00%ff`, admin),
    head("GET", `/v1/workflows/${text}/events`, admin, "Last-Event-ID: 7"),
    head("GET", `/v1/workflows/w1/events`, admin, `Last-Event-ID: ${text}`),
    head("GET", `/v1/workflows/${text}/artifacts/${text}/${text}.pdb`, admin, `Range: ${text}`),
    head("GET", `/v1/workflows?label=${text}=${text}&page_token=${text}`, admin),
    head("GET", `/v1/workflows?${text}=1`, admin),
    head("GET", `http://${text}/v1/workflows`, admin),
    head("GET", `/docs/${text}`),
    head("GET", "/v1/workflows", `Authorization: Bearer ${text}`),
    head("GET", "/v1/workflows", `Authorization: ${text} ${text}`),
    head("GET", "/v1/workflows", admin, `traceparent: ${text}`, `tracestate: ${text}`, `${text}: ${text}`),
    head("GET", "/v1/workflows", admin, `ff-principal: ${text}`, `User-Agent: ${text}`, `Origin: ${text}`),
    post({ name: text, labels: { [text]: text }, steps: [{ ...step, id: text, params: { [text]: text } }] }),
    post({ name: text, steps: [{ ...step, tool: text }], [text]: text }),
    post({ metric: text, filters: [{ metric: text, min: 0 }] }, `/v1/workflows/${text}/rank`),
    `${text}\r\n\r\n`,
    `GET /v1/workflows ${text}\r\n\r\n`,
  ];
}

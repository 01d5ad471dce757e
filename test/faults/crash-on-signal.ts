/**
 * For a gateway's process, to be imported before its main: at a SIGUSR2 something goes wrong that nobody foresaw, and
 * its error carries what the errors of HTTP libraries do.
 */
import { clientText, secrets } from "./canaries.ts";

function unforeseen(): Error {
  const response = { config: { headers: { authorization: `Bearer ${secrets.apiKey}` } }, body: clientText };
  const cause = Object.assign(new Error("the cause"), { response });
  return Object.assign(new Error("unforeseen", { cause }), { response, body: Buffer.from(clientText) });
}

process.on("SIGUSR2", () => {
  if (process.env["CRASH"] === "rejection") void Promise.reject(unforeseen());
  else throw unforeseen();
});

import type { ServerStage } from "./stages.ts";

const submission = "/v1/workflows?";

/**
 * Rewrites `POST /v1/workflows?validate_only=true`, the former spelling of `POST /v1/workflows/validate`, to that, and
 * drops `validate_only=false`. The next release removes it.
 */
export const validateOnly: ServerStage = function validateOnly(req, _res, next) {
  if (req.method === "POST" && req.url?.startsWith(submission) === true) {
    const parameters = req.url.slice(submission.length).split("&");
    const others = parameters.filter((parameter) => !/^validate_only=(?:true|false)$/.test(parameter));
    if (others.length === parameters.length - 1) {
      const path = parameters.includes("validate_only=true") ? "/v1/workflows/validate" : "/v1/workflows";
      req.url = others.length === 0 ? path : `${path}?${others.join("&")}`;
    }
  }
  next();
};

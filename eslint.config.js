import eslint from "@eslint/js";
import tseslint from "typescript-eslint";

/**
 * The direction of imports. Each layer lists the layers it may import from besides itself; `alone` layers
 * do not even import their own siblings. `generated` and packages are checked by the rules further down.
 */
const layers = {
  "errors": { may: [] },
  "telemetry": { may: [] },
  "mapping": { may: ["generated", "contract"] },
  "orchestrator": { may: ["generated", "errors", "telemetry"] },
  "artifacts": { may: ["errors"] },
  "auth": { may: ["errors", "orchestrator"] },
  "sse": { may: ["generated", "errors", "mapping", "orchestrator"] },
};
export default tseslint.config(eslint.configs.recommended, layers);

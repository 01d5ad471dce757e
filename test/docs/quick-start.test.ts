import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { before } from "mocha";
import { loadContract } from "../../src/contract.ts";
import { renderPage } from "../../src/docs/render-page.ts";
import { startSandbox } from "../../src/sandbox/start-sandbox.ts";
import { withoutCoverage } from "../support/environment.ts";
import { startTestGateway, suite } from "../support/gateway.ts";
import { sandboxSettings, settingsFor } from "../support/sandbox.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";

const documented = "http://127.0.0.1:8080";
const page = renderPage(loadContract().document);

/** The program of a tab, as the page shows it. */
function programOf(tab: string): string {
  const [, text = ""] = new RegExp(`id="program-${tab}"[^]*?<code>([^]*?)</code>`).exec(page) ?? [];
  const entities: Record<string, string> = { lt: "<", gt: ">", quot: '"', "#39": "'", amp: "&" };
  return text.replace(/&([#\w]+);/g, (entity, name: string) => entities[name] ?? entity);
}

describe("the quick start of the page", () => {
  const sandbox = suite(() => startSandbox(sandboxSettings));
  const gateway = suite(() => startTestGateway(settingsFor(sandbox())));

  for (const [tab, file, program] of [
    ["curl", "quick-start.sh", "sh"],
    ["Python", "quick-start.py", "python3"],
    ["TypeScript", "quick-start.ts", process.execPath],
  ] as const)
    describe(`for ${tab}`, () => {
      before(function () {
        if (spawnSync(program, ["--version"]).error === undefined) return;
        console.log(`    skipped: no ${program} on the PATH`);
        this.skip();
      });

      /** Resolves to all that it prints. */
      async function start(cwd: string, apiKey: string): Promise<string> {
        const text = programOf(tab);
        assert.equal(text.split(documented).length, 2);
        writeFileSync(join(cwd, file), text.replace(documented, gateway().url));
        const env = { ...process.env, ...withoutCoverage, FOLDFORGE_TOKEN: apiKey };
        const child = spawn(program, [file], { cwd, env, stdio: ["ignore", "pipe", "pipe"] });
        const [output, errors] = await Promise.all([child.stdout.toArray(), child.stderr.toArray()]);
        return Buffer.concat([...output, ...errors]).toString();
      }

      it("submits, waits and downloads", async () => {
        using folder = temporaryFolder();
        const submitted = sandbox().calls.get("SubmitWorkflow") ?? 0;
        const output = await start(folder.path, "alice-key");
        assert.match(output, /SUCCEEDED/);
        assert.equal(sandbox().calls.get("SubmitWorkflow"), submitted + 1);
        const files = readdirSync(folder.path).filter((name) => name !== file);
        assert.equal(files.length, tab === "curl" ? 1 : 15, output);
        for (const name of files) {
          assert.match(name, /^fold-\d+\.pdb$/);
          assert.match(readFileSync(join(folder.path, name), "latin1"), /^ATOM /m);
        }
      });

      it("prints why the gateway rejects a key, and makes no other request", async () => {
        using folder = temporaryFolder();
        const output = await start(folder.path, "nobody's-key");
        assert.match(output, /"code":\s*"UNAUTHENTICATED"/);
        assert.doesNotMatch(output, /curl: (?!\(22\))|curl: .*curl: /s);
        assert.deepEqual(readdirSync(folder.path), [file]);
      });
    });
});

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, posix } from "node:path";
import { parse } from "yaml";
import { prefix } from "../../src/settings/schema.ts";
import { parseSettings } from "../../src/settings/settings.ts";
import { parseSettings as parseSandboxSettings } from "../../src/sandbox/settings.ts";
import { composeFile, readCompose, settingsOf } from "./compose.ts";
import type { Service } from "./compose.ts";
import { readDockerfile, readStage } from "./dockerfile.ts";

const { services: byName, secrets, mounts } = readCompose();
const { gateway, sandbox, prometheus } = byName;
const services = Object.entries<Service>(byName);
const mountedAt = (source: string) => mounts.find((mount) => mount.source === source)?.target;

describe("deploy/compose.yaml", () => {
  it("matches the schema of the Compose specification", () => {
    // The images that are built have names, too.
    const args = [composeFile, "--quiet", "--disable-rule", "no-build-and-image"];
    const { status, stdout } = spawnSync("dclint", args, { encoding: "utf8" });
    assert.equal(status, 0, stdout);
  });

  it("is accepted by docker compose", function () {
    if (spawnSync("docker", ["compose", "version"]).status !== 0) {
      console.log("      skipped: docker compose is not installed");
      return this.skip();
    }
    execFileSync("docker", ["compose", "--file", composeFile, "config", "--quiet"], { stdio: "inherit" });
  });

  it("has valid settings for the gateway, with secrets from files", () => {
    const env = { ...gateway.environment };
    const { settings, warnings } = parseSettings(env, (path) => {
      assert.ok(gateway.secrets?.includes(path.replace("/run/secrets/", "")), path);
      return "secret";
    });
    assert.deepEqual(warnings, []);
    assert.deepEqual(settings.apiTokens, ["secret"]);
    for (const name of ["API_TOKEN", "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY"]) {
      assert.ok(!(prefix + name in env));
      assert.ok(`${prefix}${name}_FILE` in env);
    }
  });

  it("builds the gateway, and the sandbox from its stage of the Dockerfile", () => {
    const [root, target] = ["..", "sandbox"];
    assert.deepEqual([gateway.build, sandbox.build], [root, { context: root, target }]);
    assert.deepEqual(
      sandbox.command
        ?.at(-1)
        ?.match(/exec (.*)/)?.[1]
        ?.split(" "),
      readStage(target).command,
    );
  });

  it("has only settings of the sandbox", () => {
    const inCommand = sandbox.command
      ?.join(" ")
      .matchAll(/(FOLDFORGE_\w+)="\$\$\(cat \/run\/secrets\/([\w-]+)\)"/g);
    const fromFiles = [...(inCommand ?? [])];
    assert.deepEqual(
      fromFiles.map(([, , secret]) => secret),
      sandbox.secrets,
    );
    const env = Object.fromEntries(fromFiles.map(([, name = ""]) => [name, "secret"]));
    assert.deepEqual(parseSandboxSettings({ ...env, ...sandbox.environment }).unknownNames, []);
  });

  it("has the same addresses and bucket for gateway and sandbox", () => {
    const orchestrator = new URL(gateway.environment?.[`${prefix}ORCHESTRATOR_ENDPOINT`] ?? "");
    assert.equal(orchestrator.hostname, "sandbox");
    const { ORCHESTRATOR_ADDR, S3_ENDPOINT, S3_REGION, S3_BUCKET } = settingsOf(sandbox);
    assert.equal(ORCHESTRATOR_ADDR, `0.0.0.0:${orchestrator.port}`);
    assert.ok(sandbox.healthcheck?.test.at(-1)?.startsWith(`net.connect(${orchestrator.port})`));
    const { R2_ENDPOINT, R2_REGION, R2_BUCKET } = settingsOf(gateway);
    assert.deepEqual([S3_ENDPOINT, S3_REGION, S3_BUCKET], [R2_ENDPOINT, R2_REGION, R2_BUCKET]);
    assert.equal(new URL(R2_ENDPOINT ?? "").hostname, "object-store");
  });

  it("publishes ports on the loopback address only, including the port of the image", () => {
    const ports = services.flatMap(([, service]) => service.ports ?? []);
    for (const port of ports) assert.match(port, /^127\.0\.0\.1:(\d+):\1$/);
    assert.deepEqual(gateway.ports, [`127.0.0.1:${readDockerfile().port}:${readDockerfile().port}`]);
  });

  it("drops all privileges of every service", () => {
    for (const [name, { read_only, cap_drop, security_opt }] of services)
      assert.deepEqual(
        [read_only, cap_drop, security_opt],
        [true, ["ALL"], ["no-new-privileges:true"]],
        name,
      );
  });

  it("has a health check for every service", () => {
    assert.ok(readDockerfile().healthcheck.length > 0);
    for (const [name, { healthcheck }] of services) assert.ok(healthcheck ?? name === "gateway", name);
  });

  it("kills the gateway later than its shutdown grace", () => {
    const { shutdownGraceMs } = parseSettings({ ...gateway.environment }, () => "secret").settings;
    // Docker's default.
    const { stop_grace_period: period = "10s" } = gateway;
    assert.ok(Number(/^(\d+)s$/.exec(period)?.[1]) * 1000 > shutdownGraceMs);
  });

  it("mounts existing files, read-only", () => {
    assert.ok(mounts.length > 0);
    for (const { source, mode } of mounts) {
      assert.ok(existsSync(source), source);
      assert.equal(mode, "ro", source);
    }
  });

  it("configures Prometheus with the gateway, the sandbox and the rules", () => {
    const config = parse(readFileSync("deploy/prometheus/prometheus.yaml", "utf8"));
    const [{ names, port }] = config.scrape_configs[0].dns_sd_configs;
    assert.deepEqual([names, port], [["gateway"], readDockerfile().port]);
    const orchestrator = config.scrape_configs.find(
      ({ job_name }: { job_name: string }) => job_name === "foldforge-orchestrator",
    );
    const [target] = orchestrator.static_configs[0].targets;
    assert.equal(settingsOf(sandbox).METRICS_ADDR, target.replace("sandbox:", "0.0.0.0:"));
    const started = prometheus.command
      ?.find((argument) => argument.startsWith("--config.file="))
      ?.split("=")[1];
    assert.equal(started, mountedAt("deploy/prometheus/prometheus.yaml"));
    const rules = config.rule_files.map((rule: string) => posix.resolve("/etc/prometheus", rule));
    assert.deepEqual(rules, [mountedAt("deploy/prometheus/alerts.yaml")]);
  });

  it("configures Grafana with Prometheus and the dashboard", () => {
    const provisioned = (kind: string) =>
      globSync(`deploy/grafana/provisioning/${kind}/*.yaml`).map((file) => parse(readFileSync(file, "utf8")));
    const urls = provisioned("datasources").flatMap(({ datasources }) =>
      datasources.map(({ url }: { url: string }) => url),
    );
    assert.deepEqual(urls, ["http://prometheus:9090"]);
    const folders = provisioned("dashboards").flatMap(({ providers }) =>
      providers.map(({ options }: { options: { path: string } }) => options.path),
    );
    assert.deepEqual(folders, [mountedAt("deploy/grafana/dashboards")]);
  });

  it("has its secrets in files that git ignores", () => {
    const ignored = readFileSync(".gitignore", "utf8").split("\n");
    for (const secret of Object.values(secrets))
      assert.ok(ignored.includes(`deploy/${dirname(secret.file)}/`), secret.file);
  });

  it("has one exact version of each image", () => {
    for (const [name, { image }] of services)
      assert.match(image, /:(v?\d+\.\d+\.\d+|RELEASE\.[\dTZ-]+)$/, name);
    const { version } = JSON.parse(readFileSync("package.json", "utf8"));
    assert.equal(gateway.image, `foldforge-gateway:${version}`);
    assert.equal(sandbox.image, `foldforge-sandbox:${version}`);
  });
});

/**
 * Starts and stops a gateway that uses every module, so that Node's compile cache (NODE_COMPILE_CACHE) has them all: run
 * while the image is built. A start that finds them there neither strips types nor loads Node's compiler for that.
 */
// In place of the whole environment: BuildKit adds variables of OpenTelemetry, for programs that trace a build.
process.env = {
  FOLDFORGE_GATEWAY__BIND_ADDR: "127.0.0.1:0",
  // Nothing is sent there.
  FOLDFORGE_GATEWAY__R2_ENDPOINT: "http://127.0.0.1:9",
  FOLDFORGE_GATEWAY__R2_BUCKET: "bucket",
  FOLDFORGE_GATEWAY__R2_ACCESS_KEY_ID: "id",
  FOLDFORGE_GATEWAY__R2_SECRET_ACCESS_KEY: "secret",
  OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9",
};
// It waits for the start.
await import("../src/main.ts");
// Loaded for a collector that is called by gRPC.
await import("../src/otlp/grpc-exporter.ts");
// Loaded when somebody opens the page.
await import("../src/docs/render-page.ts");
process.kill(process.pid, "SIGINT");

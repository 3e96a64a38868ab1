import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { FIELD_TABLES } from "#test/support/inspect.ts";
import { BOUNDS_DOC, renderBoundsDoc } from "../../../../scripts/write-bounds-doc.ts";

it("says what the tables say (run scripts/write-bounds-doc.ts)", () => {
	const page = readFileSync(BOUNDS_DOC, "utf8");
	expect(renderBoundsDoc(page)).toBe(page);
});

it("names every field", () => {
	const page = readFileSync(BOUNDS_DOC, "utf8");
	for (const table of Object.values(FIELD_TABLES)) {
		for (const field of Object.keys(table.fields)) expect(page).toContain(`\`${field}\``);
	}
});

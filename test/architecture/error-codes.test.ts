import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { ERROR_CODES } from "#domain/errors/codes.ts";
import { PROJECT_FOLDER } from "#test/support/project-files.ts";

test("docs/errors.md lists every code with its status and whether trying again helps, and no other", () => {
	const page = readFileSync(path.join(PROJECT_FOLDER, "docs/errors.md"), "utf8");
	const rows = [...page.matchAll(/^\| `([a-z_]+\.[a-z_]+)` \| (\d{3}) \| (yes|no) \| \S/gm)].map(([, code, status, again]) => `${code} ${status} ${again}`);
	expect(rows).toEqual(Object.entries(ERROR_CODES).map(([code, { httpStatus, isRetryable }]) => `${code} ${httpStatus} ${isRetryable ? "yes" : "no"}`));
});

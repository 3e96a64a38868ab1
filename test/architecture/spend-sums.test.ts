import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { listProjectFiles, PROJECT_FOLDER } from "#test/support/project-files.ts";

/**
 * Sums by day and month are kept of combinations and, beside them, of each dimension by itself (migrations/0032): whoever adds up both has everything eight
 * times.
 */
const SUMS = /tollgate\.spend_(utc_day|utc_month|user_day)\b/g;
const SAYS_WHICH = /\bdimension (=|<>|NOT IN) |slice_id IN \(SELECT id FROM slice\)/;
const LINES_AROUND = 14;

test("whoever reads sums by day or month says of which dimension", () => {
	const files = listProjectFiles([".ts", ".sql"]).filter(
		(file) => /^(activities|gateway|workers|migrations|clients|bench)\//.test(file) && !file.endsWith("0032_rollups.sql"),
	);
	const places = files.flatMap((file) => {
		const lines = readFileSync(path.join(PROJECT_FOLDER, file), "utf8").split("\n");
		return lines.flatMap((line, index) =>
			line.match(SUMS) === null ? [] : [{ at: `${file}:${index + 1}`, near: lines.slice(Math.max(0, index - LINES_AROUND), index + LINES_AROUND).join("\n") }],
		);
	});
	expect(places.length).toBeGreaterThan(2);
	expect(places.filter(({ near }) => !SAYS_WHICH.test(near)).map(({ at }) => at)).toEqual([]);
});

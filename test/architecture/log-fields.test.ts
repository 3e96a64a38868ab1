import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { listProjectFiles, PROJECT_FOLDER } from "#test/support/project-files.ts";

/** Every line that a gateway logs about a request can be found by the id its caller was given. */
const ABOUT_REQUESTS = listProjectFiles([".ts"], "gateway").filter((file) =>
	/^gateway\/(routes|batches|deferred)\/|^gateway\/(app|open-decider)\.ts$/.test(file),
);

/** Of no request: a look for all who wait, and how the gateway was set up. */
const OF_NONE = ["it could not be looked for the answers that are waited for", "every call is decided by OPA"];

test("a line about a request carries its id and, once the key is known, the team", () => {
	const lines = ABOUT_REQUESTS.flatMap((file) => {
		const text = readFileSync(path.join(PROJECT_FOLDER, file), "utf8");
		return [...text.matchAll(/\blog\.(?:info|warn|error)\((\{[^}]*\}), "([^"]*)"/g)].map(([, fields = "", message = ""]) => ({ file, fields, message }));
	});
	const wrong = lines.filter(({ fields, message }) => !OF_NONE.includes(message) && !/callFields\(|requestId, team|\.\.\.call\b/.test(fields));
	expect(wrong).toEqual([]);
	expect(lines.length).toBeGreaterThanOrEqual(10);
});

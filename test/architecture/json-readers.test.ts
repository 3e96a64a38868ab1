import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, test } from "vitest";
import { listProjectFiles, PROJECT_FOLDER } from "#test/support/project-files.ts";

/**
 * What callers, providers and models wrote is read by `readJson`, since the runtime's parser takes some keys for others. Whoever calls that
 * parser is listed with the reason why no key can deceive it.
 */
const OURS = "reads what we wrote: no name of a field of ours needs an escape";
const NO_OBJECT = "parses a string, or looks at no key";
const ALLOWED: Readonly<Record<string, string>> = {
	"domain/text/read-json.ts": "after it has seen that no key is written in escapes, and single values",
	"domain/bound/inspect-request.ts": "after the scan has seen that no key is written in escapes",
	"domain/bound/has-tools.ts": NO_OBJECT,
	"domain/batching/scan-requests.ts": NO_OBJECT,
	"domain/batching/render-line.ts": NO_OBJECT,
	"activities/batches/providers/json-text.ts": NO_OBJECT,
	"activities/batches/lines/result-lines.ts": OURS,
	"activities/idempotency/stored-answer.ts": OURS,
	"activities/ledger/archive-file.ts": OURS,
	"activities/ledger/journal-files.ts": OURS,
	"activities/ledger/journal-reader.ts": OURS,
	"activities/ledger/journal.ts": OURS,
	"activities/ledger/ledger-row.ts": OURS,
	"activities/ledger/lock-file.ts": OURS,
	"activities/policy/apply-policy.ts": OURS,
	"activities/policy/policy-work.ts": OURS,
	"clients/command-line/find-system.ts": OURS,
	"clients/durable-agent/conversation.ts": OURS,
	"clients/durable-agent/model-call.ts": OURS,
	"domain/agents/run-memory.ts": OURS,
};

const CALL = /\bJSON\.parse\b(?!`)/;
const FOLDERS = /^(domain|activities|gateway|clients|workflows|workers)\//;

test("the runtime's parser is called where the list says, and nowhere else near what others wrote", () => {
	const files = listProjectFiles([".ts"]).filter((file) => FOLDERS.test(file));
	expect(files.length).toBeGreaterThan(300);
	const callers = files.filter((file) =>
		readFileSync(path.join(PROJECT_FOLDER, file), "utf8")
			.split("\n")
			.some((line) => !/^\s*(\*|\/[/*])/.test(line) && CALL.test(line)),
	);
	expect(callers.sort()).toEqual(Object.keys(ALLOWED).sort());
});

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAlertSecretReader, createKeptPlaceProblem } from "#config/alert-secrets.ts";
import { listKeyVariables } from "#config/offered-providers.ts";

let folder: string;
let read: ReturnType<typeof createAlertSecretReader>;

beforeAll(() => {
	folder = mkdtempSync(path.join(tmpdir(), "tollgate-secrets-"));
	mkdirSync(path.join(folder, "home"));
	writeFileSync(path.join(folder, "home/admin-key"), "tga-canary");
	writeFileSync(path.join(folder, "slack"), "https://hooks.slack.example/x\n");
	writeFileSync(path.join(folder, "two-lines"), "canary\ncanary\n");
	writeFileSync(path.join(folder, "empty"), "\n");
	writeFileSync(path.join(folder, "large"), "c".repeat(10_000));
	symlinkSync(path.join(folder, "home/admin-key"), path.join(folder, "link"));
	const environment = {
		HOOK: " https://hooks.example ",
		EMPTY: "",
		DATABASE_URL: "postgres://canary",
		OPENAI_API_KEY: "sk-canary",
		MY_AZURE_API_KEY: "canary",
	};
	read = createAlertSecretReader({ home: path.join(folder, "home") }, environment);
});
afterAll(() => rmSync(folder, { recursive: true }));

const problemOf = (secret: ReturnType<typeof read>): string => ("problem" in secret ? secret.problem : `held: ${secret.content}`);

test("a secret is what its variable or the one line of its file holds", () => {
	expect(read({ environmentVariable: "HOOK" })).toEqual({ content: "https://hooks.example" });
	expect(read({ file: path.join(folder, "slack") })).toEqual({ content: "https://hooks.slack.example/x" });
});

test("what Tollgate and its providers keep is read for no channel: settings, keys, and files of the home, by link neither", () => {
	for (const environmentVariable of ["DATABASE_URL", "OPENAI_API_KEY", "MY_AZURE_API_KEY", "PGPASSWORD", "TOLLGATE_SIMULATOR_KEY"])
		expect(problemOf(read({ environmentVariable }))).toBe(`the variable ${environmentVariable} belongs to Tollgate or to a provider`);
	for (const name of ["home/admin-key", "link", "home/../home/admin-key"])
		expect(problemOf(read({ file: path.join(folder, name) }))).toMatch(/belongs to Tollgate$/);
});

test("the key of a provider is read for no channel, whatever a file of providers calls its variable", () => {
	const file = path.join(folder, "providers.json");
	const provider = { protocol: "openai", baseUrl: "https://llm.example/v1", keyEnv: "HOOK" };
	writeFileSync(file, JSON.stringify({ providers: { own: provider, keyless: { ...provider, keyEnv: undefined } } }));
	const keptVariables = listKeyVariables(file);
	expect(keptVariables).toEqual(["HOOK"]);
	const guarded = createAlertSecretReader({ home: folder, keptVariables }, { HOOK: "canary" });
	expect(problemOf(guarded({ environmentVariable: "HOOK" }))).toBe("the variable HOOK belongs to Tollgate or to a provider");
	writeFileSync(file, "no JSON");
	expect(listKeyVariables(file)).toEqual([]);
});

test("what is kept is known by its place before anything is read: also a file that is not there yet, and none beside the home", () => {
	const kept = createKeptPlaceProblem({ home: path.join(folder, "home") });
	for (const environmentVariable of ["DATABASE_URL", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "MY_AZURE_API_KEY", "PGPASSWORD", "TOLLGATE_HOME"])
		expect(kept({ environmentVariable })).toBe(`the variable ${environmentVariable} belongs to Tollgate or to a provider`);
	for (const name of ["home/admin-key", "home/not/there", "home/../home/admin-key", "link"])
		expect(kept({ file: path.join(folder, name) })).toMatch(/^the file .* belongs to Tollgate$/);
	expect(kept({ environmentVariable: "SLACK_WEBHOOK_URL" })).toBeUndefined();
	for (const name of ["slack", "homely", "none/at/all"]) expect(kept({ file: path.join(folder, name) })).toBeUndefined();
});

test("what is not there, or is no secret, is named and not shown", () => {
	expect(problemOf(read({ environmentVariable: "EMPTY" }))).toBe(
		"the variable EMPTY is not set for the worker; `npm start` hands it those named in TOLLGATE_ALERT_VARIABLES",
	);
	expect(problemOf(read({ environmentVariable: "NONE" }))).toBe(
		"the variable NONE is not set for the worker; `npm start` hands it those named in TOLLGATE_ALERT_VARIABLES",
	);
	const told = ["none", "two-lines", "empty", "large", "."].map((name) => problemOf(read({ file: path.join(folder, name) })));
	expect(told.map((text) => text.replace(/^.*( cannot| does| is)/, "the file$1"))).toEqual([
		"the file cannot be read (ENOENT)",
		"the file does not hold one line",
		"the file does not hold one line",
		"the file is larger than a secret",
		"the file cannot be read (EISDIR)",
	]);
	expect(told.join()).not.toContain("canary");
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { inspect } from "node:util";
import { afterAll, expect, test } from "vitest";
import { ConfigurationError, loadSettings, requireDatabaseUrl } from "#config/load.ts";
import { describeSettings } from "#config/schema.ts";

const folder = mkdtempSync(path.join(tmpdir(), "tollgate-config-"));
afterAll(() => rmSync(folder, { recursive: true }));

function mistakesOf(environment: Record<string, string>): readonly string[] {
	try {
		loadSettings(environment);
	} catch (error) {
		if (error instanceof ConfigurationError) return error.mistakes;
		throw error;
	}
	return [];
}

test("an empty environment gives development defaults: loopback, fixed ports, the home in the clone, 0.25 USD", () => {
	const settings = loadSettings({});
	expect(settings).toMatchObject({
		gatewayHost: "127.0.0.1",
		gatewayPort: 4000,
		adminPort: 4001,
		gatewayCount: 1,
		demoLimitNanoUsd: 250_000_000n,
		databaseUrl: null,
	});
	expect(settings.home).toBe(path.join(import.meta.dirname, "../../../.tollgate"));
});

test("settings cannot be changed afterwards", () => {
	expect(Object.isFrozen(loadSettings({}))).toBe(true);
});

test("all mistakes are told at once, each with name, expected and got", () => {
	const mistakes = mistakesOf({ TOLLGATE_GATEWAY_PORT: "70000", TOLLGATE_DEMO_LIMIT_USD: "-1", TOLLGATE_JOURNAL_FSYNC: "always", TOLLGATE_COLOUR: "blue" });
	expect(mistakes).toHaveLength(4);
	expect(mistakes).toContain('TOLLGATE_GATEWAY_PORT: expected port of the gateway, 0 to 65535; default 4000; got "70000"');
	expect(mistakes[0]).toContain("TOLLGATE_COLOUR: there is no such setting");
});

test.each(["0.0000000001", "1e3", "NaN", "0.25 USD", "1000000.01"])("a demo limit of %s is refused", (limit) => {
	expect(mistakesOf({ TOLLGATE_DEMO_LIMIT_USD: limit })).toHaveLength(1);
});

test("a misspelt name is answered with the right one", () => {
	expect(mistakesOf({ TOLLGATE_GATEWAY_PROT: "1" })[0]).toContain("did you mean TOLLGATE_GATEWAY_PORT?");
});

test("a client's own key in the shell is no setting and no mistake", () => {
	expect(mistakesOf({ TOLLGATE_KEY: "tg-abc" })).toEqual([]);
	expect(mistakesOf({ TOLLGATE_COLOUR: "blue" })[0]).toContain("docs/settings.md lists all of them");
});

test("variables of the tests and of other programs are left alone, empty ones count as not set", () => {
	expect(mistakesOf({ TOLLGATE_TEST_RUN_FOLDER: "/x", PATH: "/bin", TOLLGATE_GATEWAY_PORT: "" })).toEqual([]);
});

test("a secret is shown neither by printing settings nor by the message about a wrong one", () => {
	const settings = loadSettings({ OPENAI_API_KEY: "sk-very-secret", DATABASE_URL: "postgres://u:hunter2@localhost/db" });
	const printed =
		inspect(settings, { depth: 5 }) +
		JSON.stringify(settings, (_name, value) => (typeof value === "bigint" ? value.toString() : value)) +
		String(settings.openaiApiKey);
	expect(printed).not.toMatch(/very-secret|hunter2/);
	expect(requireDatabaseUrl(settings)).toContain("hunter2");
	expect(mistakesOf({ DATABASE_URL: "mysql://u:hunter2@localhost/db" })[0]).not.toContain("hunter2");
});

test("a key comes from a file too, but not from both", () => {
	const file = path.join(folder, "key");
	writeFileSync(file, "sk-from-file\n");
	expect(loadSettings({ ANTHROPIC_API_KEY_FILE: file }).anthropicApiKey?.reveal()).toBe("sk-from-file");
	expect(mistakesOf({ ANTHROPIC_API_KEY_FILE: file, ANTHROPIC_API_KEY: "x" })).toHaveLength(1);
	expect(mistakesOf({ TOLLGATE_OPENAI_BASE_URL: "https://user:canary@host/v1" })).toEqual([expect.stringMatching(/got "https:\/\/\[redacted\]@host\/v1"$/)]);
	// Somebody may put the key where the name of its file belongs: it is not repeated.
	expect(mistakesOf({ OPENAI_API_KEY_FILE: path.join(folder, "absent") })).toEqual(["OPENAI_API_KEY_FILE: expected a readable file; got ENOENT"]);
});

test("a Tollgate key in the place of a provider's is refused, without being shown", () => {
	expect(mistakesOf({ OPENAI_API_KEY: "tg-abc" })).toEqual([
		"OPENAI_API_KEY: expected the provider's own key; got one of Tollgate's, which belongs to the application",
	]);
});

test("every setting says what is expected", () => {
	expect(describeSettings().filter((row) => row.expected === "")).toEqual([]);
});

test("OPA has its defaults with its URL alone, and its token from a file", () => {
	const url = "http://127.0.0.1:8181/v1/data/tollgate/call";
	const file = path.join(folder, "opa-token");
	writeFileSync(file, "t0ken\n");
	expect(loadSettings({}).opa).toBeNull();
	expect(loadSettings({ OPA_URL: url }).opa).toEqual({ url, token: null, timeoutMs: 100, cacheMs: 5_000, bounds: "rounded" });
	const { opa } = loadSettings({ OPA_URL: url, OPA_TOKEN_FILE: file, OPA_TIMEOUT_MS: "250", OPA_CACHE_MS: "0", OPA_BOUNDS: "exact" });
	expect(opa).toMatchObject({ timeoutMs: 250, cacheMs: 0, bounds: "exact" });
	expect(opa?.token?.reveal()).toBe("t0ken");
	expect(inspect(opa, { depth: 5 })).not.toContain("t0ken");
});

test.each([
	"http://127.0.0.1:8181",
	"http://127.0.0.1:8181/",
	"http://127.0.0.1:8181/v1/data/",
	"http://user:canary@host/v1/data/call",
	"127.0.0.1:8181/v1/data/call",
	"unix:///run/opa.sock",
])("an OPA_URL of %s is refused: it names the document that decides", (url) => {
	expect(mistakesOf({ OPA_URL: url })).toEqual([expect.stringMatching(/^OPA_URL: expected /)]);
	expect(mistakesOf({ OPA_URL: url })[0]).not.toContain("canary");
});

test("what is set for an OPA that nobody asks is a mistake, and so is a name that is nearly its URL", () => {
	expect(mistakesOf({ OPA_TIMEOUT_MS: "50", OPA_BOUNDS: "exact" })).toHaveLength(2);
	expect(mistakesOf({ OPA_ULR: "http://127.0.0.1:8181/v1/data/tollgate/call" })).toEqual(["OPA_ULR: there is no such setting; did you mean OPA_URL?"]);
	expect(mistakesOf({ OPA_LOG_LEVEL: "debug" })).toEqual([]);
});

test("all that is wrong with files is told at once", () => {
	const absent = path.join(folder, "absent");
	expect(mistakesOf({ OPENAI_API_KEY_FILE: absent, OPA_URL: "http://127.0.0.1:8181/v1/data/call", OPA_TOKEN_FILE: absent })).toHaveLength(2);
});

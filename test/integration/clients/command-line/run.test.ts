import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { resolveVirtualKey } from "#activities/keys/resolve.ts";
import { runCommandLine } from "#clients/command-line/run.ts";
import { openTestAdministration, type TestAdministration } from "#test/support/administration.ts";

let administration: TestAdministration;
let home: string;
let output: string[];
let errors: string[];

beforeAll(async () => {
	administration = await openTestAdministration();
	const admin = await administration.app.listen({ host: "127.0.0.1", port: 0 });
	home = await mkdtemp(path.join(tmpdir(), "tollgate-home-"));
	const adminKeyFile = path.join(home, "admin-key");
	await writeFile(adminKeyFile, `${administration.adminKey}\n`);
	await writeFile(
		path.join(home, "endpoints.json"),
		JSON.stringify({ admin, adminKeyFile, demoKey: `tg-${"d".repeat(43)}`, databaseUrl: administration.databaseUrl }),
	);
	await run("team create search --limit 100 --window day");
});
afterAll(async () => {
	await administration.close();
	await rm(home, { recursive: true });
});
beforeEach(() => {
	output = [];
	errors = [];
});

/** Words are split at blanks; quoted arguments are given as a list. */
async function run(line: string | string[], environment: Record<string, string> = { TOLLGATE_HOME: home }): Promise<number> {
	output = [];
	errors = [];
	const words = typeof line === "string" ? line.split(" ") : line;
	return runCommandLine(words, { writeLine: (text) => output.push(text), writeError: (text) => errors.push(text), environment });
}

async function runJson(line: string | string[]) {
	const words = [...(typeof line === "string" ? line.split(" ") : line), "--json"];
	expect(await run(words)).toBe(0);
	expect(output).toHaveLength(1);
	return JSON.parse(output[0] ?? "");
}

describe("what scripts rely on", () => {
	test("team create, key create, budget set", async () => {
		expect(await run("team create ranking --limit 0.25 --window day")).toBe(0);
		const created = await runJson("key create --team ranking --feature f --user u --expires 30d");
		expect(Object.keys(created).sort()).toEqual(["id", "key"]);
		expect(await resolveVirtualKey(administration.pool, created.key)).toMatchObject({
			kind: "known",
			key: { keyId: created.id, teamId: "ranking", feature: "f", userId: "u" },
		});
		for (const scope of ["", " --feature f", " --user u", " --model gpt-test", ` --key ${created.id}`])
			expect(await run(`budget set --team ranking${scope} --limit 0.50 --window day`)).toBe(0);
		const budgets = await runJson("budget show --team ranking");
		expect(budgets.map((budget: { dimension: string; limitAmount: string }) => [budget.dimension, budget.limitAmount])).toEqual(
			["team", "feature", "key", "model", "user"].map((dimension) => [dimension, "500000000"]),
		);
	});

	test("team show says what was spent today and what was to be expected", async () => {
		await run("team create steady --limit 30 --window day --time-zone Europe/Berlin");
		const shown = await runJson("team show steady");
		expect(shown).toMatchObject({
			id: "steady",
			today: { timeZone: "Europe/Berlin", spentNanoUsd: "0", expectedNanoUsd: "30000000000", expectedFrom: "limit" },
		});
		expect(await run("team show steady")).toBe(0);
		expect(output[0]).toMatch(
			/^steady .*\n\nToday \(\d{4}-\d{2}-\d{2}, Europe\/Berlin\): 0\S* USD spent, 30\S* USD expected \(what its budgets allow per day\)\.$/ms,
		);
		await run("team create boundless --unlimited");
		expect(await run("team show boundless")).toBe(0);
		expect(output[0]).toContain("nothing to expect: no 14 days of history, no budget that renews.");
	});

	test("team set takes limits as a whole, throttle lists and ends", async () => {
		const limits = { caps: [], rates: [{ dimension: "team", dimensionValue: "", requestsPerMinute: 60 }] };
		expect((await runJson(["team", "set", "search", "--limits", JSON.stringify(limits)])).limits).toEqual(limits);
		expect(await run("team show search")).toBe(0);
		expect(output.join("\n")).toContain('"requestsPerMinute":60');
		expect(await run(["team", "set", "search", "--limits", '{"rates": [{"dimension": "team"}]}'])).toBe(1);
		expect(errors.join("\n")).toContain("limits.rates[0] names no rate");
		expect(await run(["team", "set", "search", "--limits", "[]"])).toBe(2);
		expect((await runJson(["team", "set", "search", "--limits", "{}"])).limits).toEqual({ caps: [], rates: [] });
		await administration.pool.query(
			"SELECT tollgate.set_throttle('search', 'key', 'key_1', 3, clock_timestamp() + interval '1 hour', 'why', 'velocity/1', 'test')",
		);
		expect(await runJson("throttle list --team search")).toMatchObject([{ dimension: "key", value: "key_1", requestsPerMinute: 3 }]);
		expect(await run("throttle end search")).toBe(2);
		expect(await run("throttle end search --key key_1")).toBe(0);
		expect(await run("throttle end search --key key_1")).toBe(1);
		expect(await run("throttle list")).toBe(0);
		expect(output).toEqual(["(none)"]);
	});

	test("budget set again changes what it names and leaves the rest: no time zone, warning or stop is lost with a new limit", async () => {
		expect(await run("team create zoned --limit 1 --window day")).toBe(0);
		const set = async (more: string) => {
			const { limitAmount, timeZone, thresholds, stopAmount } = await runJson(`budget set --team zoned --window day ${more}`);
			return [limitAmount, timeZone, warningOf(thresholds), stopAmount];
		};
		type Lines = readonly { readonly action: string; readonly at: { readonly basisPoints?: number } }[];
		const warningOf = (lines: Lines) => lines.find(({ action }) => action === "notify")?.at.basisPoints;
		expect(await set("--limit 2 --time-zone Europe/Berlin --warn 50 --stop 1")).toEqual(["2000000000", "Europe/Berlin", 5_000, "1000000000"]);
		expect(await set("--limit 3")).toEqual(["3000000000", "Europe/Berlin", 5_000, "1000000000"]);
		expect(await set("--limit 3 --stop none")).toEqual(["3000000000", "Europe/Berlin", 5_000, null]);
		expect(await run("budget set --team zoned --window week --limit 3")).toBe(0);
		const [, week] = await runJson("budget show --team zoned");
		expect([week.timeZone, warningOf(week.thresholds), week.stopAmount]).toEqual(["UTC", 8_000, null]);
	});

	test("budget set takes lines with actions, a mode and calendar starts, and shows them", async () => {
		expect(await run("team create lined --limit 10 --window day")).toBe(0);
		const set = (more: string) => runJson(`budget set --team lined --window week --limit 10 ${more}`);
		const lines = "--warn 80 --stop 9 --threshold 90%:degrade:gpt-4o=gpt-4o-mini --threshold 85.5%:needApproval";
		expect(await run(`budget set --team lined --window week --limit 10 ${lines}`)).toBe(1); // not ascending
		expect(errors.join("\n")).toContain("budget.thresholds[1].at");
		const inOrder = "--warn 80 --stop 9.5 --threshold 85.5%:needApproval 90%:degrade:gpt-4o=gpt-4o-mini";
		expect(await set(`${inOrder} --mode observe --week-start sunday --fiscal-year-start 4`)).toMatchObject({
			...{ mode: "observe", weekStart: 7, fiscalYearStart: 4, stopAmount: "8550000000", needsApproval: true, wouldRefuse: 0 },
			thresholds: [
				{ action: "notify", at: { basisPoints: 8000 } },
				{ action: "needApproval", at: { basisPoints: 8550 } },
				{ action: "degrade", at: { basisPoints: 9000 }, degradeTo: { "gpt-4o": "gpt-4o-mini" } },
				{ action: "stop", at: { amount: "9500000000" } },
			],
		});
		// What is left out stays, with another limit too.
		const raised = await set("--limit 20");
		expect(raised).toMatchObject({ limitAmount: "20000000000", mode: "observe", weekStart: 7, fiscalYearStart: 4 });
		expect(raised.thresholds.map(({ action }: { action: string }) => action)).toEqual(["stop", "notify", "needApproval", "degrade"]);
		expect(await run("budget show --team lined")).toBe(0);
		expect(output.join("\n")).toContain("WOULD REFUSE");
		expect(output.join("\n")).toMatch(/observed +0 +stop 9.50? USD; notify 80%; needApproval 85.5%; degrade 90% \(gpt-4o to gpt-4o-mini\)/);
		expect(await set("--threshold none")).toMatchObject({ thresholds: [], stopAmount: null });
		for (const wrong of [
			"--threshold 90%",
			"--threshold 90%:page",
			"--threshold 90%:degrade",
			"--threshold x:stop",
			"--threshold 1.123%:stop",
			"--week-start someday",
		])
			expect(await run(`budget set --team lined --window week --limit 10 ${wrong}`), wrong).toBe(2);
	});

	test("price check gives the cost and how it was made", async () => {
		const checked = await runJson(["price", "check", "--model", "gpt-test", "--usage", '{"inputTokens":1000,"outputTokens":10}']);
		expect(Object.keys(checked)).toEqual(["costNanoUsd", "lines"]);
		expect(checked.costNanoUsd).toBe("2600000");
	});

	test("verify --json prints one line and exits 0", async () => {
		const { code, stdout } = await spawnMain(["verify", "--json", "--home", home]);
		expect(code).toBe(0);
		expect(stdout.split("\n")).toHaveLength(2);
		expect(Object.keys(JSON.parse(stdout))).toEqual([
			"ok",
			"calls",
			"entries",
			"overspendNanoUsd",
			"overrunNanoUsd",
			"falseRefusals",
			"duplicated",
			"lost",
			"estimated",
			"unresolved",
			"pendingPastTime",
		]);
	});

	test("verify exits 1 when the books are wrong, 2 when it cannot look", async () => {
		await administration.pool.query("INSERT INTO tollgate.entry_key VALUES ('ghost')");
		const wrong = await spawnMain(["verify", "--home", home]);
		await administration.pool.query("DELETE FROM tollgate.entry_key WHERE entry_key = 'ghost'");
		expect([wrong.code, wrong.stdout.includes("entry ghost")]).toEqual([1, true]);
		expect((await spawnMain(["verify", "--home", home, "--provider-log", path.join(home, "none")])).code).toBe(2);
		expect((await spawnMain(["verify", "--home", path.join(home, "none")])).code).toBe(2);
	});
});

describe("exit codes", () => {
	test.each([
		[1, "team show nobody"],
		[1, "key revoke key_none"],
		[1, "explain req_none"],
		[1, "budget set --team search --limit -1 --window day"],
		[1, "budget set --team search --limit 0.0000000001 --window day"],
		[1, "budget set --team nobody --limit 1 --window day"],
		[1, "team create search --limit 1 --window day"],
		[1, "price show --model none"],
		[1, "budget show --team nobody"],
		[2, ""],
		[2, "bogus"],
		[2, "key create"],
		[2, "key create --team search --expires soon"],
		[2, "budget set --team search --limit"],
		[2, "budget set --team search --user a --model b --limit 1 --window day"],
		[2, "team create x --limit 1"],
		[2, "lease resolve g1 --spent 0"],
		[2, "verify --resolve"],
		[2, "key derive --user a --ttl 25h"],
		[1, "key list --team nobody"],
		[1, "spend --by model --team nobody"],
		[1, "budget set --team search --key key_nobody --limit 1 --window day"],
		[2, "spend --by bogus"],
		[2, "spend --by model --from yesterday"],
		[2, "budget set --team search --limit 1 --window fortnight"],
		[2, "budget set --team search --limit 1 --window day --warn abc"],
		[2, "budget set --team search --limit 1 --window day --time-zone Mars/Olympus"],
		[2, "budget set --team search --limit 1 --window day --unit euros"],
		[2, "key create --team search --max-asserted abc"],
		[2, "key create --team search --endpoints bogus"],
		[2, "key create --team search --expires 99999999w"],
		[2, "team set search --admission-wait-ms soon"],
		[2, "price check --model gpt-test --tier bogus --usage {}"],
		[2, 'price check --model gpt-test --usage {"inputTokens":-1}'],
		[2, "price set --file /nonexistent"],
		[2, "key derive --ttl 1h --key-file /nonexistent"],
		[2, "team list --admin-key-file /nonexistent"],
		[2, "team list --admin-url bogus --admin-key-file package.json"],
		[0, "--help"],
		[0, "key --help"],
	])("%i for: %s", async (code, line) => {
		expect(await run(line === "" ? [] : line)).toBe(code);
		expect(output.length + errors.length).toBeGreaterThan(0);
		expect(errors.join("\n")).not.toMatch(/^\s+at /m);
	});

	test("2 for a reason that says nothing", async () => {
		expect(await run(["team", "freeze", "search", "--reason", ""])).toBe(2);
		expect(errors.join()).toContain("must not be empty");
	});

	test("1 for a revoked admin key, naming the file it came from and the option for another", async () => {
		const file = path.join(home, "old-key");
		await writeFile(file, "tga-revoked\n");
		expect(await run(["team", "list", "--admin-key-file", file])).toBe(1);
		expect(errors.join()).toMatch(new RegExp(`read from ${file}; the file of another key is named with --admin-key-file FILE`));
	});

	test("3 when no system is there, or nothing answers, or Temporal is away", async () => {
		expect(await run("team list --home /nonexistent")).toBe(3);
		expect(errors.join()).toContain("npm start");
		expect(await run(`team list --admin-url http://127.0.0.1:1 --admin-key-file ${path.join(home, "admin-key")}`)).toBe(3);
		administration.governor.isAway = true;
		expect(await run("budget set --team search --limit 1 --window day")).toBe(3);
		administration.governor.isAway = false;
	});

	test("a refused limit names its field", async () => {
		await run("budget set --team search --limit -1 --window day");
		expect(errors.join()).toContain("limit: must not be negative");
	});
});

describe("finding the system", () => {
	test("--home goes before TOLLGATE_HOME, before or after the command", async () => {
		expect(await run(`team list --home ${home}`, { TOLLGATE_HOME: "/nonexistent" })).toBe(0);
		expect(await run(`--home ${home} team list`, {})).toBe(0);
	});
});

describe("keys", () => {
	test("rotate, list, revoke", async () => {
		const created = await runJson("key create --team search");
		const successor = await runJson(`key rotate ${created.id} --overlap 1h`);
		expect(await resolveVirtualKey(administration.pool, successor.key)).toMatchObject({ kind: "known" });
		expect(await runJson(`key revoke ${created.id}`)).toMatchObject({ id: created.id });
		expect(await resolveVirtualKey(administration.pool, created.key)).toMatchObject({ kind: "refused", code: "key.revoked" });
		await run("key list --team search");
		expect(output.join()).toContain(successor.id);
		expect(output.join()).not.toContain(successor.key);
	});

	test("derive needs no system, only the parent", async () => {
		const parent = await runJson("key create --team search");
		expect(await run("key derive --user ann --ttl 1h --json", { TOLLGATE_KEY: parent.key })).toBe(0);
		const { key } = JSON.parse(output[0] ?? "");
		expect(await resolveVirtualKey(administration.pool, key)).toMatchObject({ kind: "known", key: { keyId: parent.id, userId: "ann" } });
	});
});

test("a budget of a model that no price line names is set, with a warning", async () => {
	expect(await run("budget set --team search --model gpt-mistyped --limit 1 --window day")).toBe(0);
	expect(errors.join()).toContain("knows no model gpt-mistyped");
	expect(await run("budget set --team search --model gpt-test --limit 1 --window day")).toBe(0);
	expect(errors).toEqual([]);
	for (const model of ["gpt-mistyped", "gpt-test"]) await run(`budget remove --team search --model ${model} --window day`);
});

test("budget show counts money that gateways lease as left, and says how much that is", async () => {
	const { rows } = await administration.pool.query("SELECT id FROM tollgate.budget WHERE team_id = 'search' AND dimension = 'team' AND deleted_at IS NULL");
	const { rows: windows } = await administration.pool.query("SELECT tollgate.open_window($1) AS id", [rows[0]?.id]);
	await administration.pool.query("UPDATE tollgate.budget_window SET granted = 100000000000 WHERE id = $1", [windows[0]?.id]);
	await administration.pool.query(
		"INSERT INTO tollgate.lease (window_id, gateway_id, epoch, granted, posted) VALUES ($1, 'g1', 1, 100000000000, 85000000000)",
		[windows[0]?.id],
	);
	await run("budget show --team search");
	expect(output[0]).toMatch(
		/LIMIT +SPENT +LEFT +OF IT LEASED +RESETS +STATE +WOULD REFUSE +THRESHOLDS\n.*100\.00 USD +85\.00 USD +15\.00 USD +15\.00 USD +\S+ +warned/,
	);
	await administration.pool.query("DELETE FROM tollgate.lease WHERE window_id = $1", [windows[0]?.id]);
	await administration.pool.query("UPDATE tollgate.budget_window SET granted = 0 WHERE id = $1", [windows[0]?.id]);
});

test("tables are for people: amounts in dollars, states in words", async () => {
	await run("budget show --team search");
	expect(output[0]).toMatch(/^TEAM +BUDGET +WINDOW +LIMIT/);
	expect(output[0]).toContain("100.00 USD");
	await run("team freeze search --reason runaway");
	await run("budget show --team search");
	expect(output[0]).toContain("frozen");
	expect(await run("team unfreeze search")).toBe(0);
	for (const line of ["team list", "spend --by model", "lease list", "admin-key list", "price show"]) expect(await run(line)).toBe(0);
});

describe("answers that no part of the system should give", () => {
	async function against(answer: object, line: string): Promise<number> {
		const server = createServer((_request, response) => response.setHeader("content-type", "application/json").end(JSON.stringify(answer)));
		await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
		const { port } = server.address() as AddressInfo;
		const code = await run(`${line} --admin-url http://127.0.0.1:${port} --admin-key-file ${path.join(home, "admin-key")}`);
		await new Promise((resolve) => server.close(resolve));
		return code;
	}

	test("of another shape end in one line, without a stack", async () => {
		expect(await against({ surprise: true }, "team list")).toBe(1);
		expect(errors.join()).toMatch(/^tollgate: this should not happen: [^\n]+$/);
	});

	test("explain gives the amounts of a refusal with their unit", async () => {
		const refusal = {
			refusalId: "f-1",
			code: "budget.exceeded",
			budget: "team, day",
			limitAmount: "250000000",
			grantedAmount: "1",
			needAmount: "2",
			idleAmount: "0",
		};
		const refusals = [
			{ ...refusal, unit: "nano_usd" },
			{ ...refusal, unit: "tokens" },
			{ refusalId: "f-2", code: "budget.none", budget: null, unit: null, limitAmount: null, grantedAmount: null, idleAmount: null, needAmount: null },
		];
		expect(await against({ requestId: "r", attempts: [], refusals, archivedMonths: [] }, "explain r")).toBe(0);
		expect(output[0]).toContain("limit 0.25 USD, granted 0.000000001 USD");
		expect(output[0]).toContain("limit 250000000 tokens, granted 1 tokens");
		expect(output[0]).toContain("limit -, granted -");
	});
});

test("every command explains itself with an example", async () => {
	for (const line of [
		"team create",
		"team list",
		"team show",
		"team set",
		"team freeze",
		"team unfreeze",
		"team delete",
		"key create",
		"key rotate",
		"key revoke",
		"key list",
		"key derive",
		"budget set",
		"budget show",
		"budget remove",
		"spend",
		"explain",
		"price show",
		"price set",
		"price check",
		"lease list",
		"lease resolve",
		"verify",
		"admin-key create",
		"team",
		"key",
		"budget",
		"price",
		"lease",
		"admin-key",
	]) {
		expect(await run(`${line} --help`)).toBe(0);
		expect(output.join("\n")).toMatch(new RegExp(`\\$ .*npx tollgate ${line} ?`));
	}
});

test("a price that is set by flags is in force", async () => {
	expect(await run("price set --provider openai --model gpt-flag --input 2.50 --output 10 --context-window 1000 --max-output 100")).toBe(0);
	expect((await runJson(["price", "check", "--model", "gpt-flag", "--usage", '{"inputTokens":1000000}'])).costNanoUsd).toBe("2500000000");
});

function spawnMain(words: readonly string[]): Promise<{ code: number | null; stdout: string }> {
	const environment = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("TOLLGATE_") && name !== "DATABASE_URL"));
	const child = spawn(process.execPath, [path.join(import.meta.dirname, "../../../../clients/command-line/main.ts"), ...words], {
		env: environment,
		stdio: ["ignore", "pipe", "ignore"],
	});
	let stdout = "";
	child.stdout.on("data", (chunk) => {
		stdout += chunk;
	});
	return new Promise((resolve) => child.once("close", (code) => resolve({ code, stdout })));
}

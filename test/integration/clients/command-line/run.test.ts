import { spawn } from "node:child_process";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { resolveVirtualKey } from "#activities/keys/resolve.ts";
import type { TestAdministration } from "#test/support/administration.ts";
import { openCommandLineHome, openTestTerminal } from "#test/support/command-line.ts";

let administration: TestAdministration;
let home: string;
let close: () => Promise<void>;
const { output, errors, run, runJson } = openTestTerminal(() => ({ TOLLGATE_HOME: home }));

beforeAll(async () => {
	({ administration, home, close } = await openCommandLineHome());
	await run("team create search --limit 100 --window day");
});
afterAll(() => close());

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
		expect(await run(["team", "set", "search", "--limits", '{"rates": [{"dimension": "team"}]}'])).toBe(2);
		expect(errors.join("\n")).toContain("--limits rates[0] names no rate");
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
		expect(await run(`budget set --team lined --window week --limit 10 ${lines}`)).toBe(2); // not ascending
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

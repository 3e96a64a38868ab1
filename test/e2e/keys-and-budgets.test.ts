import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { Client, Connection as TemporalConnection } from "@temporalio/client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { GovernanceClient } from "#clients/governance-client.ts";
import { cutLastChunk, onDatabase } from "#test/support/cut-ledger.ts";
import { type System, startSystem, tollgate, verify } from "#test/support/system.ts";
import { type ChatOptions, chat as chatOf, tollgateJson, tollgateRefused } from "#test/support/system-commands.ts";
import { until } from "#test/support/until.ts";
import type { TeamBudgetStatus } from "#workflows/team-budget/messages.ts";

/** Administration as an operator does it, with the command line, judged by what the next call on any of two gateways meets. */
let system: System;

beforeAll(async () => {
	system = await startSystem({ TOLLGATE_GATEWAYS: "2" });
}, 120_000);

afterAll(async () => {
	await system?.close();
});

type Key = { readonly id: string; readonly key: string };
type Explained = { readonly attempts: readonly Record<string, unknown>[]; readonly refusals: readonly Record<string, unknown>[] };

/** Words of a command line; none of them holds a blank. */
const json = <Result = Record<string, unknown>>(line: string, environment?: Record<string, string>) =>
	tollgateJson<Result>(system, line.split(" "), environment);
const refused = (line: string) => tollgateRefused(system, line.split(" "));
const chat = (key: string, options?: ChatOptions) => chatOf(system, key, options);
const createTeam = (name: string, limit = "1") => json(`team create ${name} --limit ${limit} --window day`);
const createKey = (team: string, options = "") => json<Key>(`key create --team ${team}${options}`);

/** Statuses of calls over connections of their own: with 12, two gateways miss none but once in two thousand times. */
async function statuses(key: string, options?: ChatOptions): Promise<number[]> {
	const answers = await Promise.all(Array.from({ length: 12 }, () => chat(key, options)));
	return [...new Set(answers.map(({ status }) => status))];
}

/** Until both gateways have served this key, and so hold it in memory. */
async function warm(key: string): Promise<void> {
	const log = system.endpoints().simulatedProvider?.callLog ?? "";
	const linesBefore = readFileSync(log, "utf8").length;
	await until("calls on both gateways", async () => {
		expect(await statuses(key)).toEqual([200]);
		const since = readFileSync(log, "utf8").slice(linesBefore);
		return since.includes('"attemptId":"g1-') && since.includes('"attemptId":"g2-');
	});
}

/** What the books say of a request; they hold it within a second of its end. */
function explain(requestId: string): Promise<Explained> {
	return until(`request ${requestId} in the books`, async () => {
		const result = await tollgate(system, ["explain", requestId, "--json"]);
		return result.exitCode === 0 && (JSON.parse(result.stdout) as Explained);
	});
}

const attributionOf = async (requestId: string) => (await explain(requestId)).attempts[0];

describe("keys", () => {
	beforeAll(async () => {
		await createTeam("search");
	}, 60_000);

	it("a new key works at once, with the attribution it was given", async () => {
		const created = await createKey("search", " --feature ranking --user ann --environment prod --expires 30d");
		expect(Object.keys(created).sort()).toEqual(["id", "key"]);
		const answer = await chat(created.key);
		expect(answer.status).toBe(200);
		expect(await attributionOf(answer.requestId)).toMatchObject({
			teamId: "search",
			keyId: created.id,
			feature: "ranking",
			userId: "ann",
			environment: "prod",
			asserted: null,
		});
		const listed = (await json<Record<string, unknown>[]>("key list --team search")).find(({ id }) => id === created.id);
		expect(Date.parse(String(listed?.["expiresAt"])) - Date.now()).toBeGreaterThan(29 * 86_400_000);
		expect(JSON.stringify(listed)).not.toContain(created.key);
	}, 60_000);

	it("revoked, it is refused by every gateway when the command returns, and so is every key derived from it", async () => {
		const { id, key } = await createKey("search");
		const { key: child } = await json<Key>("key derive --user bob --ttl 1h", { TOLLGATE_KEY: key });
		await warm(key);
		expect(await attributionOf((await chat(child)).requestId)).toMatchObject({ keyId: id, userId: "bob" });
		await json(`key revoke ${id}`);
		expect(await statuses(key)).toEqual([401]);
		expect(await statuses(child)).toEqual([401]);
		expect((await chat(key)).error.code).toBe("key.revoked");
		expect(await refused("key revoke key_0000000000000000")).toMatchObject({ exitCode: 1 });
	}, 60_000);

	it("rotated, the old one works on for the overlap; without overlap it ends at once", async () => {
		const first = await createKey("search", " --feature ranking");
		const second = await json<Key>(`key rotate ${first.id} --overlap 1h`);
		expect([(await chat(first.key)).status, (await chat(second.key)).status]).toEqual([200, 200]);
		await warm(second.key);
		const third = await json<Key>(`key rotate ${second.id} --overlap 0`);
		expect(await statuses(second.key)).toEqual([401]);
		expect(await attributionOf((await chat(third.key)).requestId)).toMatchObject({ keyId: third.id, feature: "ranking" });
	}, 60_000);

	it("expires by itself", async () => {
		const { key } = await createKey("search", " --expires 8s");
		expect((await chat(key)).status).toBe(200);
		await until("its end", async () => (await chat(key)).error.code === "key.expired");
	}, 60_000);

	it("is held to its scope", async () => {
		const { key } = await createKey("search", " --models gpt-4o-mini --endpoints chat.completions");
		expect((await chat(key)).status).toBe(200);
		expect(await chat(key, { model: "gpt-4o" })).toMatchObject({ status: 403, error: { code: "key.scope" } });
		const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
		expect((await fetch(`${system.endpoints().gateway}/v1/embeddings`, { method: "POST", headers, body: '{"model":"gpt-4o-mini","input":"a"}' })).status).toBe(
			403,
		);
		expect(await chat("tg-nonsense")).toMatchObject({ status: 401, error: { code: "key.invalid" } });
	}, 60_000);
});

describe("budgets", () => {
	const TOO_LITTLE = "0.00001";
	let key: Key;
	let other: Key;

	beforeAll(async () => {
		await createTeam("shop");
		[key, other] = await Promise.all([createKey("shop", " --feature basket --user ann"), createKey("shop", " --feature search --user bob")]);
	}, 60_000);

	for (const [scope, budget] of [
		["--feature basket", "team shop, feature basket, per day"],
		["--user ann", "team shop, user ann, per day"],
		["--model gpt-4o", "team shop, model gpt-4o, per day"],
		["--key KEY", "team shop, key KEY, per day"],
	] as const) {
		it(`budget set ${scope}: the next call is judged by it, on every gateway, and no other call is`, async () => {
			const [selector, name] = [scope, budget].map((text) => text.replace("KEY", key.id));
			const model = scope.startsWith("--model") ? "gpt-4o" : "gpt-4o-mini";
			const set = await json(`budget set --team shop ${selector} --limit ${TOO_LITTLE} --window day`);
			expect(set).toMatchObject({ teamId: "shop", windowKind: "day", unit: "nano_usd", limitAmount: "10000" });
			expect(await statuses(key.key, { model })).toEqual([402]);
			expect((await chat(key.key, { model })).error).toMatchObject({ code: "budget.exceeded", budget: name });
			expect((await chat(other.key)).status).toBe(200);
			await json(`budget set --team shop ${selector} --limit 0.50 --window day`);
			expect(await statuses(key.key, { model })).toEqual([200]);
		}, 60_000);
	}

	it("counts tokens as well as money", async () => {
		await json("budget set --team shop --feature basket --unit tokens --limit 10 --window hour");
		expect((await chat(key.key)).error).toMatchObject({ code: "budget.exceeded", budget: "team shop, feature basket, per hour, tokens" });
		expect((await tollgate(system, ["budget", "remove", "--team", "shop", "--feature", "basket", "--unit", "tokens", "--window", "hour"])).exitCode).toBe(0);
		expect(await statuses(key.key)).toEqual([200]);
	}, 60_000);

	it("a team without a budget may not spend, unless it is declared unlimited", async () => {
		await Promise.all([json("team create penniless"), json("team create boundless --unlimited")]);
		const [poor, rich] = await Promise.all([createKey("penniless"), createKey("boundless")]);
		expect(await chat(poor.key)).toMatchObject({ status: 402, error: { code: "budget.none" } });
		expect((await chat(rich.key)).status).toBe(200);
		await json("budget set --team penniless --limit 1 --window day");
		expect(await statuses(poor.key)).toEqual([200]);
	}, 60_000);

	it("frozen, a team is refused everything until it is unfrozen", async () => {
		await json("team freeze shop --reason runaway");
		expect(await statuses(key.key)).toEqual([402]);
		expect((await chat(key.key)).error.code).toBe("budget.frozen");
		await json("team unfreeze shop");
		expect(await statuses(key.key)).toEqual([200]);
	}, 60_000);
});

describe("users that a caller names", () => {
	it("x-tollgate-user of a key that may assert is attribution, judged by that user's budget, and capped in number", async () => {
		await createTeam("assistants");
		const backend = await createKey("assistants", " --may-assert user --max-asserted 2");
		await json("budget set --team assistants --user ann --limit 0.00001 --window day");
		const as = (user: string) => chat(backend.key, { headers: { "x-tollgate-user": user } });
		expect((await as("ann")).error).toMatchObject({ code: "budget.exceeded", budget: "team assistants, user ann, per day" });
		const served = await as("bob");
		expect(served.status).toBe(200);
		expect(await attributionOf(served.requestId)).toMatchObject({ userId: "bob", asserted: { user: "bob" }, keyId: backend.id });
		expect(await as("carol")).toMatchObject({ status: 403, error: { code: "key.assertion_refused" } });
		expect((await chat(backend.key)).status).toBe(200);
		const spend = await json<{ rows: { groups: { user: string | null }; calls: number }[] }>("spend --by user --team assistants");
		expect(spend.rows.find(({ groups }) => groups.user === "bob")?.calls).toBe(1);
	}, 60_000);

	it("any other key may not", async () => {
		expect(await chat(system.endpoints().demoKey, { headers: { "x-tollgate-user": "ann" } })).toMatchObject({
			status: 403,
			error: { code: "key.assertion_refused" },
		});
	});
});

describe("prices", () => {
	it.each([
		["gpt-4o", { inputTokens: 1_000, cachedInputTokens: 400, outputTokens: 100, reasoningTokens: 20 }, "3000000"],
		["claude-haiku-4-5", { inputTokens: 1_000, cachedInputTokens: 100, cacheWrite5mTokens: 200, cacheWrite1hTokens: 300, outputTokens: 10 }, "1310000"],
		["gpt-4o-mini", { inputTokens: 1 }, "150"],
	])("price check --model %s --usage %o", async (model, usage, costNanoUsd) => {
		const checked = await json<{ costNanoUsd: string; lines: { nanoUsd: string }[] }>(`price check --model ${model} --usage ${JSON.stringify(usage)}`);
		expect(Object.keys(checked)).toEqual(["costNanoUsd", "lines"]);
		expect(checked.costNanoUsd).toBe(costNanoUsd);
		expect(checked.lines.reduce((sum, { nanoUsd }) => sum + Number(nanoUsd), 0)).toBe(Number(costNanoUsd));
	});

	it("a usage whose parts exceed the whole is refused", async () => {
		const { exitCode, message } = await refused('price check --model gpt-4o --usage {"inputTokens":1,"cachedInputTokens":2}');
		expect(exitCode).toBe(2);
		expect(message).toContain("inputTokens is smaller than its cached");
	});

	it("a model without a price is refused to everyone and served as soon as it has one", async () => {
		const { demoKey } = system.endpoints();
		const unpriced = await chat(demoKey, { model: "house-model" });
		expect(unpriced).toMatchObject({ status: 422, error: { code: "pricing.unknown_model" } });
		expect(unpriced.error.message).toMatch(/house-model.*tollgate price set/s);
		await json("price set --provider openai --model house-model --input 1 --output 2 --context-window 8000 --max-output 1000");
		expect(await statuses(demoKey, { model: "house-model" })).toEqual([200]);
		expect((await json('price check --model house-model --usage {"inputTokens":1000000,"outputTokens":1000000}'))["costNanoUsd"]).toBe("3000000000");
	}, 60_000);
});

describe("explain", () => {
	it("says what a call cost, how that was made, and where it was held", async () => {
		const answer = await chat(system.endpoints().demoKey);
		const { attempts, refusals } = await explain(answer.requestId);
		expect(refusals).toEqual([]);
		expect(attempts).toHaveLength(1);
		expect(attempts[0]).toMatchObject({
			teamId: "demo",
			outcome: "settled",
			model: "gpt-4o-mini",
			costNanoUsd: String(answer.costNanoUsd),
			price: { costNanoUsd: String(answer.costNanoUsd) },
		});
		expect(attempts[0]?.["entries"]).toMatchObject([{ kind: "charge", amountNanoUsd: String(answer.costNanoUsd) }]);
		expect(attempts[0]?.["budgets"]).toMatchObject([{ name: "team, day" }]);
	}, 60_000);

	it("says why a call was refused", async () => {
		await createTeam("tiny", "0.00001");
		const { key } = await createKey("tiny");
		const answer = await chat(key);
		expect(answer.status).toBe(402);
		const { attempts, refusals } = await explain(answer.requestId);
		expect(attempts).toEqual([]);
		expect(refusals).toMatchObject([{ code: "budget.exceeded", teamId: "tiny", budget: "team, day", limitAmount: "10000" }]);
		const [limit, granted, idle, need] = ["limitAmount", "grantedAmount", "idleAmount", "needAmount"].map((field) => Number(refusals[0]?.[field])) as [
			number,
			number,
			number,
			number,
		];
		expect(limit - granted + idle).toBeLessThan(need);
		expect(await refused("explain req_that_never_was")).toMatchObject({ exitCode: 1 });
	}, 60_000);
});

describe("what a command answers when it cannot", () => {
	it.each([
		[1, "team show nobody", "no team nobody"],
		[1, "team create search --limit 1 --window day", "search"],
		[2, "budget set --team search --limit -1 --window day", "--limit"],
		[2, "budget set --team search --limit 99999999999999 --window day", "--limit"],
		[2, "budget set --team search --limit 1", "--window"],
		[2, "key derive --user ann --ttl 25h", "24 hours"],
		[3, "team list --home /nonexistent", "npm start"],
	])("exit %i: tollgate %s", async (exitCode, line, words) => {
		const answer = await refused(line);
		expect(answer.exitCode).toBe(exitCode);
		expect(answer.message).toContain(words);
	});
});

describe("a policy file", () => {
	const written = (limitUsd: string, more = "") => `version: 1\n${more}teams:\n  declared:\n    budgets:\n      - { window: month, limitUsd: ${limitUsd} }\n`;
	const models = "models:\n  quick:\n    - { provider: openai, model: gpt-4o-mini }\n";
	const policy = (...words: string[]) => tollgate(system, [...words, path.join(system.home, "policy.yaml")]);
	const write = (text: string) => writeFileSync(path.join(system.home, "policy.yaml"), text);

	it("is shown, applied as it was shown, and holds on both gateways, in the history and in the team's workflow", async () => {
		write(written("1", models));
		const diff = await policy("diff");
		expect([diff.exitCode, diff.stdout]).toEqual([1, expect.stringContaining("+ team declared")]);
		expect((await policy("apply")).exitCode).toBe(2);
		expect((await policy("apply", "--yes")).exitCode).toBe(0);
		expect((await policy("diff")).exitCode).toBe(0);
		const { key } = await createKey("declared");
		expect(await statuses(key, { model: "quick" })).toEqual([200]);

		write(written("0.000001"));
		expect((await policy("apply", "--yes")).exitCode).toBe(0);
		expect(await statuses(key, { model: "quick" })).toEqual([402]);
		const [newest, before] = await json<{ revision: string; parent: string; adminName: string }[]>("policy history");
		expect(newest).toMatchObject({ adminName: "first administrator", parent: before?.revision });
		expect((await json(`policy show ${before?.revision}`))["source"]).toBe(written("1", models));
		await until("the policy in the team's workflow", async () => (await statusOf("declared")).documentRevision === 2_000);
	}, 60_000);

	it("with mistakes is refused whole, each with its line", async () => {
		write(`${written("1").replace("month", "fortnight")}  Wrong: {}\n`);
		const applied = await policy("apply", "--yes");
		expect(applied.exitCode).toBe(1);
		expect(applied.stderr).toMatch(/policy\.yaml:5:\d+ teams\.declared\.budgets\[0\]\.window: [\s\S]*policy\.yaml:6:\d+ teams\.Wrong: /);
	}, 60_000);
});

async function statusOf(team: string): Promise<TeamBudgetStatus> {
	const connection = await TemporalConnection.connect({ address: system.endpoints().temporalAddress });
	try {
		return await new GovernanceClient({ connection, client: new Client({ connection }) }).status(team);
	} finally {
		await connection.close();
	}
}

describe("the books after all this", () => {
	it("verify is ok and answers with the agreed fields", async () => {
		const report = await verify(system);
		expect(Object.keys(report)).toEqual([
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
		expect(report).toMatchObject({ ok: true, overspendNanoUsd: "0", falseRefusals: 0, duplicated: 0, lost: 0, unresolved: 0, pendingPastTime: 0 });
		expect(report.calls).toBeGreaterThan(50);
	}, 60_000);

	it("spend adds up the same whichever way it is cut", async () => {
		const cuts = ["--by team", "--by model", "--by feature,user", "--by run,batch", "--per day", "--by key --per hour"];
		const totals = await Promise.all(cuts.map(async (cut) => (await json(`spend ${cut}`))["totalNanoUsd"]));
		expect(new Set(totals).size).toBe(1);
		expect(BigInt(String(totals[0]))).toBeGreaterThan(0n);
	}, 60_000);

	it("sums that are made anew are what they were, and sums that were wrong are right again", async () => {
		const today = new Date().toISOString().slice(0, 10);
		const before = await json("spend --by team,model,user --per hour");
		await onDatabase(system.endpoints(), (database) => database.query("UPDATE tollgate.spend_hour SET amount_nano_usd = amount_nano_usd + 1"));
		expect((await tollgate(system, ["verify"])).exitCode).toBe(1);
		expect(await json(`recount ${today}`)).toEqual({ from: today, to: today, workflowId: `spend-sums/${today}_${today}` });
		await until("the sums to be the entries' again", async () => (await tollgate(system, ["verify"])).exitCode === 0, 45_000);
		expect(await json("spend --by team,model,user --per hour")).toEqual(before);
		expect((await tollgate(system, ["recount", today, "2026-01-01"])).stderr).toContain(`2026-01-01 is before ${today}`);
	}, 60_000);

	it("a tail cut out of the ledger, anchors and all, is found by what the team's workflow was told", async () => {
		await createTeam("witness", "0.002");
		const { key } = await createKey("witness");
		expect(await statuses(key)).toEqual([200]);
		await until("a head that the workflow was told and that is still the last", () => cutLastChunk(system.endpoints(), "witness"), 45_000);
		const judged = await tollgate(system, ["verify"]);
		expect(judged.exitCode).toBe(1);
		expect(judged.stdout).toContain("was told to team-budget/witness and is gone: the tail was cut");
	}, 60_000);
});

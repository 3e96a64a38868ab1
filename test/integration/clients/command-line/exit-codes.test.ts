import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { TestAdministration } from "#test/support/administration.ts";
import { openCommandLineHome, openTestTerminal } from "#test/support/command-line.ts";

/** How a command ends, what it says then, and where it looks for the system. */
let administration: TestAdministration;
let home: string;
let close: () => Promise<void>;
const { output, errors, run } = openTestTerminal(() => ({ TOLLGATE_HOME: home }));

beforeAll(async () => {
	({ administration, home, close } = await openCommandLineHome());
	await run("team create search --limit 100 --window day");
});
afterAll(() => close());

describe("exit codes", () => {
	test.each([
		[1, "team show nobody"],
		[1, "key revoke key_none"],
		[1, "explain req_none"],
		[2, "budget set --team search --limit -1 --window day"],
		[2, "budget set --team search --limit 0.0000000001 --window day"],
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
		[0, "audit --json"],
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

	test("what the administration API finds wrong names the option, wherever it fills a field of another name", async () => {
		await run("budget set --team search --limit -1 --window day");
		expect(errors).toEqual(["tollgate: --limit: must not be negative (admin.invalid)"]);
		expect(await run(["team", "set", "search", "--limits", '{"rates": [{"dimension": "moon"}]}'])).toBe(2);
		expect(errors.join()).toMatch(/--limits rates\[0\]/);
	});
});

describe("finding the system", () => {
	test("--home goes before TOLLGATE_HOME, before or after the command", async () => {
		expect(await run(`team list --home ${home}`, { TOLLGATE_HOME: "/nonexistent" })).toBe(0);
		expect(await run(`--home ${home} team list`, {})).toBe(0);
	});
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
		const told = { at: "2026-11-28T01:00:00Z", teamId: "search", keyId: "key_1", waitedMs: 0, isObserved: false, limitName: null, stoodAtAmount: null };
		const refusal = {
			...told,
			refusalId: "f-1",
			code: "budget.exceeded",
			budget: "team, day",
			unrecordedBefore: 0,
			line: null,
			limitAmount: "250000000",
			grantedAmount: "1",
			needAmount: "2",
			idleAmount: "0",
		};
		const refusals = [
			{ ...refusal, unit: "nano_usd" },
			{ ...refusal, unit: "tokens" },
			{
				...refusal,
				refusalId: "f-2",
				code: "budget.none",
				budget: null,
				unit: null,
				limitAmount: null,
				grantedAmount: null,
				idleAmount: null,
				needAmount: null,
			},
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

import { writeFile } from "node:fs/promises";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createAdminKey } from "#activities/administration/admin-keys.ts";
import type { TestAdministration } from "#test/support/administration.ts";
import { openCommandLineHome, openTestTerminal } from "#test/support/command-line.ts";

let administration: TestAdministration;
let home: string;
let close: () => Promise<void>;
const { output, errors, ...terminal } = openTestTerminal(() => ({ TOLLGATE_HOME: home }));

beforeAll(async () => {
	({ administration, home, close } = await openCommandLineHome());
	for (const name of ["grace", "carol"]) await writeFile(path.join(home, name), (await createAdminKey(administration.pool, { name }, "ada")).key);
	await run("ada", "team create search --limit 100 --window day");
});

afterAll(() => close());

type Admin = "ada" | "grace" | "carol";
const by = (who: Admin, line: string): string => `${line} --admin-key-file ${path.join(home, who === "ada" ? "admin-key" : who)}`;
const run = (who: Admin, line: string): Promise<number> => terminal.run(by(who, line));

async function json(who: Admin, line: string) {
	const printed = await terminal.runJson(by(who, line));
	expect(errors).toEqual([]);
	return printed;
}

const inDays = (days: number): string => new Date(Date.now() + days * 86_400_000).toISOString().slice(0, 10);
const request = (more = ""): string => `budget increase request --team search --amount 50 --until ${inDays(3)} --reason launch${more}`;

test("a team asks, somebody else approves less, and the budget shows it", async () => {
	const asked = await json("ada", request(" --expires 7d"));
	expect(asked).toMatchObject({
		teamId: "search",
		status: "pending",
		askedAmount: "50000000000",
		requestedBy: "ada",
		isRequestedByHand: false,
		windowKind: "day",
		reason: "launch",
	});
	expect(Date.parse(asked.expiresAt)).toBeLessThanOrEqual(Date.now() + 7 * 86_400_000);
	expect(await json("ada", "budget increase list --team search")).toMatchObject([{ id: asked.id }]);
	expect(await run("ada", `budget increase approve ${asked.id}`)).toBe(1);
	expect(errors.join()).toMatch(/ada asked for it.*\(admin\.forbidden\)/);
	const approved = await json("grace", `budget increase approve ${asked.id} --amount 30 --reason fine`);
	expect(approved).toMatchObject({
		status: "approved",
		grantedAmount: "30000000000",
		decidedBy: "grace",
		decisionReason: "fine",
		limitBefore: "100000000000",
		limitAfter: "130000000000",
	});
	expect(await json("ada", "budget show --team search")).toMatchObject([
		{ limitAmount: "100000000000", raisedAmount: "30000000000", raisedUntil: approved.until, leftAmount: "130000000000" },
	]);
	await run("ada", "budget show --team search");
	expect(output.join()).toContain("130.00 USD");
	await run("ada", `budget increase show ${asked.id}`);
	expect(output.join("\n")).toMatch(
		/approved, 30\.00 USD granted, limit 100\.00 USD → 130\.00 USD\n.*asked {4}50\.00 USD until .* by ada at .*\n.*launch\n.*by grace at .*: fine/s,
	);
	expect(await run("carol", `budget increase approve ${asked.id}`)).toBe(1);
	expect(errors.join()).toMatch(/approved already, by grace.*\(admin\.conflict\)/);
});

test("a request is rejected with a reason, or withdrawn by whoever asked", async () => {
	const rejected = await json("ada", request(" --window day").replace("launch", "again"));
	expect(await run("grace", `budget increase reject ${rejected.id}`)).toBe(2);
	expect(await run("grace", `budget increase reject ${rejected.id} --reason later`)).toBe(0);
	const withdrawn = await json("ada", request().replace("launch", "mistake"));
	expect(await run("grace", `budget increase withdraw ${withdrawn.id}`)).toBe(1);
	expect(await run("ada", `budget increase withdraw ${withdrawn.id}`)).toBe(0);
	const closed = await json("ada", "budget increase list --team search --all");
	expect(closed.filter(({ id }: { id: string }) => id === rejected.id || id === withdrawn.id).map(({ status }: { status: string }) => status)).toEqual([
		"withdrawn",
		"rejected",
	]);
	expect((await json("ada", "budget increase list")).map(({ status }: { status: string }) => status)).toEqual(["approved"]);
});

test("approvers and ceiling of PostgreSQL hold, and every step is in the audit log", async () => {
	await administration.pool.query("INSERT INTO tollgate.approver VALUES ('search', 'carol')");
	await administration.pool.query("INSERT INTO tollgate.increase_ceiling VALUES ('@organization', 75000000000)");
	expect(await run("ada", request())).toBe(2);
	expect(errors.join()).toMatch(/--amount is above the ceiling of 75\.00 USD.*30\.00 USD are in force already.*\(admin\.invalid\)/);
	const asked = await json("ada", request().replace("--amount 50", "--amount 45"));
	expect(await run("grace", `budget increase approve ${asked.id}`)).toBe(1);
	expect(errors.join()).toMatch(/grace is no approver; carol may decide \(admin\.forbidden\)/);
	expect(await json("carol", `budget increase approve ${asked.id}`)).toMatchObject({ limitAfter: "175000000000" });
	const { rows } = await administration.pool.query("SELECT admin_name, detail->>'action' AS action FROM tollgate.change WHERE subject = $1 ORDER BY revision", [
		asked.id,
	]);
	expect(rows).toEqual([
		{ admin_name: "ada", action: "pending" },
		{ admin_name: "carol", action: "approved" },
	]);
});

test("a raise is ended before its date by an approver, and by nobody else", async () => {
	const [raise] = (await json("ada", "budget increase list --team search")) as { id: string; decidedBy: string }[];
	const id = raise?.id ?? "";
	expect(await run("grace", `budget increase end ${id}`)).toBe(1);
	expect(errors.join()).toMatch(/grace is no approver; carol may end it \(admin\.forbidden\)/);
	expect(await json("carol", `budget increase end ${id} --reason over`)).toMatchObject({
		status: "ended",
		endedBy: "carol",
		isEndedByHand: false,
		endReason: "over",
	});
	await run("ada", `budget increase show ${id}`);
	expect(output.join("\n")).toMatch(/: ended, .*\n.*ended {4}by carol at .*: over/s);
	expect((await json("ada", "budget increase list --team search")).map((left: { id: string }) => left.id)).not.toContain(id);
});

test.each([
	[1, "budget increase show inc_0123456789ab"],
	[1, "budget increase show nonsense"],
	[1, "budget increase approve inc_0123456789ab"],
	[1, "budget increase list --team nobody"],
	[1, "budget increase request --team nobody --amount 1 --reason x"],
	[2, "budget increase request --team search --amount 0 --reason x"],
	[2, "budget increase request --team search --amount -1 --reason x"],
	[2, "budget increase request --team search --amount 0.0000000001 --reason x"],
	[2, "budget increase request --team search --amount 1 --reason x --until 2001-01-01"],
	[2, "budget increase request --team search --amount 1 --reason x --until tomorrow"],
	[1, "budget increase request --team search --user ann --amount 1 --reason x"],
	[1, "budget increase request --team search --window month --amount 1 --reason x"],
	[2, "budget increase request --team search --reason x"],
	[2, "budget increase request --team search --amount 1 --beyond-line --reason x"],
	[2, "budget increase request --team search --beyond-line --until 2026-12-01 --reason x"],
	[1, "budget increase request --team search --beyond-line --reason x"],
	[1, "budget increase request --team search --beyond-line --window month --reason x"],
	[2, "budget increase request --team search --amount 1"],
	[2, "budget increase request --amount 1 --reason x"],
	[2, "budget increase request --team search --amount 1 --reason x --expires soon"],
	[2, "budget increase request --team search --amount 1 --reason x --window fortnight"],
	[2, "budget increase approve"],
	[1, "budget increase end inc_0123456789ab"],
	[2, "budget increase end"],
])("exit code %i: %s", async (code, line) => {
	expect(await run("ada", line)).toBe(code);
	expect(errors.join("\n")).not.toMatch(/this should not happen|internal/);
});

test("a budget that is not named enough is asked for, and tokens are asked for in tokens", async () => {
	await run("ada", "team create several --limit 1 --window day");
	await run("ada", "budget set --team several --limit 5 --window month");
	await run("ada", "budget set --team several --limit 1000 --window day --unit tokens");
	expect(await run("ada", "budget increase request --team several --amount 1 --reason x")).toBe(2);
	expect(errors.join()).toMatch(/--window: .*day, month/);
	const asked = await json("ada", "budget increase request --team several --unit tokens --amount 500 --reason x");
	expect(asked).toMatchObject({ unit: "tokens", windowKind: "day", askedAmount: "500", until: null });
	const approved = await json("grace", `budget increase approve ${asked.id} --amount 400`);
	expect(approved).toMatchObject({ grantedAmount: "400", limitAfter: "1400" });
	expect(approved.until).toBe((await json("ada", "budget show --team several")).find(({ unit }: { unit: string }) => unit === "tokens").resetsAt);
});

test("a budget of the organisation is raised like a team's", async () => {
	await run("ada", "budget set --organization --limit 1000 --window month");
	const asked = await json("ada", "budget increase request --organization --amount 5 --reason audit");
	expect(asked).toMatchObject({ teamId: "@organization", dimension: "organization", status: "pending" });
	expect(await json("grace", `budget increase approve ${asked.id}`)).toMatchObject({ limitBefore: "1000000000000", limitAfter: "1005000000000" });
	expect(await json("ada", "budget increase list --organization")).toMatchObject([{ id: asked.id }]);
});

test("what is wrong is told by the names of the options, every mistake of it", async () => {
	expect(await run("ada", "budget increase request --team search --amount -1 --until 2001-01-01 --reason x")).toBe(2);
	expect(errors).toEqual(["tollgate: --amount must not be negative; --until is in the past (admin.invalid)"]);
	expect(await run("ada", "budget increase request --team search --amount 1 --expires 91d --reason x")).toBe(2);
	expect(errors.join()).toMatch(/--expires must be a whole number/);
	expect(await run("ada", "budget increase request --team search --beyond-line --reason x")).toBe(1);
	expect(errors.join()).toMatch(/has no line that needs approval.*\(admin\.conflict\)/);
});

test("with Temporal away a request is not made, and says so", async () => {
	administration.governor.isAway = true;
	expect(await run("ada", request().replace("launch", "away"))).toBe(3);
	administration.governor.isAway = false;
	expect(administration.unexpected).toEqual([]);
});

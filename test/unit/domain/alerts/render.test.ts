import { describe, expect, test } from "vitest";
import type { Alert } from "#domain/alerts/alert.ts";
import { ALERT_KINDS } from "#domain/alerts/kinds.ts";
import { dollars, renderAlert, shortened } from "#domain/alerts/render.ts";

const AT_MS = Date.parse("2026-11-26T10:00:00Z");

function alertOf(more: Partial<Alert>): Alert {
	return {
		id: "alr_1",
		atMs: AT_MS,
		teamId: "search",
		subject: "team||nano_usd|day",
		kind: "budget.threshold",
		severity: "warning",
		isFiring: true,
		ends: [],
		detail: {},
		...more,
	};
}

const line = { budget: "team||nano_usd|day", amount: "200000000", posted: "210000000", limitAmount: "250000000", windowStartsAtMs: Date.parse("2026-11-26") };

describe("the sentence of an alert", () => {
	test("says the budget, the amount in dollars and its share of the limit", () => {
		expect(renderAlert(alertOf({ detail: { ...line, action: "notify" } }), null).title).toBe(
			"Budget of team search (team, day) has reached $0.20, 80 % of its limit",
		);
		expect(renderAlert(alertOf({ detail: { ...line, action: "degrade" } }), null).title).toMatch(/: calls are served by cheaper models$/);
		expect(renderAlert(alertOf({ detail: { ...line, action: "needApproval" } }), null).title).toMatch(/: calls wait for an approval$/);
	});

	test("of a spent budget says whether calls are refused", () => {
		const spent = (mode?: string) => renderAlert(alertOf({ kind: "budget.stopped", detail: { ...line, ...(mode && { mode }) } }), null).title;
		expect([spent(), spent("observe")]).toEqual([
			"Budget of team search (team, day) is spent: calls are refused",
			"Budget of team search (team, day) is spent: it only observes, nothing is refused",
		]);
	});

	test("says tokens where the budget counts tokens", () => {
		const subject = "user|ann|tokens|month";
		const { title, facts } = renderAlert(alertOf({ subject, detail: { ...line, budget: subject, amount: "900", limitAmount: "1000", posted: "901" } }), null);
		expect(title).toBe("Budget of team search (user ann, month, tokens) has reached 900 tokens, 90 % of its limit");
		expect(facts).toContainEqual({ label: "Spent", value: "901 tokens" });
	});

	test("an end says what is over, since when it was so, and has the page of what it ends", () => {
		const ends = [{ id: "alr_0", kind: "budget.stopped", severity: "critical" as const, atMs: AT_MS - 60_000 }];
		const rendered = renderAlert(alertOf({ kind: "budget.withdrawn", isFiring: false, ends, detail: { ...line, action: "stop", reason: "over" } }), null);
		expect(rendered.title).toBe("Over: budget of team search (team, day), spent before, begins a new window");
		expect(rendered.facts).toContainEqual({ label: "Since", value: "2026-11-26T09:59:00Z" });
		expect(rendered.facts).toContainEqual({ label: "Over", value: "2026-11-26T10:00:00Z" });
		expect(rendered.runbook).toBe("docs/runbooks/budget-stopped.md");
	});

	test("of the organisation's charges names the gateway and the amount", () => {
		const detail = { gatewayId: "g2", epoch: "7", charges: 3, amountNanoUsd: "12500000000", accounts: "team/a, team/b" };
		expect(renderAlert(alertOf({ teamId: "@organization", subject: "g2/7", kind: "charges.unresolved", detail }), null).title).toBe(
			"3 charges of gateway g2/7, $12.50, have no known end",
		);
	});

	test("of a throttled key says the key, what it costs and what it usually does; its end says that it is over", () => {
		const detail = { value: "key_1", costNanoUsd: "12000000000", usualNanoUsd: "250000000", minutes: 15, requestsPerMinute: 6, alertKey: "k" };
		const begins = renderAlert(alertOf({ kind: "velocity.key", subject: "", detail }), null);
		expect(begins.title).toBe("Key key_1 of team search spends faster than ever and is throttled");
		expect(begins.facts).toContainEqual({ label: "Cost", value: "$12.00" });
		expect(begins.facts).toContainEqual({ label: "Calls a minute", value: "6" });
		const ends = [{ id: "alr_0", kind: "velocity.key", severity: "warning" as const, atMs: AT_MS }];
		expect(renderAlert(alertOf({ kind: "velocity.key", subject: "", isFiring: false, ends, detail: { value: "key_1" } }), null).title).toBe(
			"Over: key key_1 of team search is no longer throttled",
		);
	});

	test("of a day above what was expected says both amounts", () => {
		const detail = { spent: "201000000000", expected: "100000000000", expectedFrom: "history", endsAtMs: AT_MS };
		expect(renderAlert(alertOf({ kind: "spend.above_expected", subject: "", detail }), null).title).toBe(
			"Team search has spent $201.00 today, more than twice the expected $100.00",
		);
	});

	test("of a day that cost more than it should have says what moved, as far as it is known", () => {
		const detail = { day: "2026-11-26", shape: "spike", lasting: 1, spent: "340000000000", expected: "200000000000" };
		const cause = { causeFeature: "chat", causeModel: "large", causeKey: "", causeMovement: "volume", causeExcess: "140000000000" };
		const titleOf = (more: Record<string, string | number>) =>
			renderAlert(alertOf({ kind: "spend.anomaly", subject: "spend", isFiring: false, detail: { ...detail, ...more } }), null).title;
		expect(titleOf(cause)).toBe(
			"Team search has spent more than it should have on 2026-11-26: $340.00 instead of $200.00, most of it by feature chat, model large, key (none) (more calls)",
		);
		expect(titleOf({ feature: "mail", shape: "drift", lasting: 6 })).toBe(
			"Team search, feature mail, has spent for 6 days more than it used to, on 2026-11-26: $340.00 instead of $200.00",
		);
		expect(titleOf({ causeMovement: "price" })).toBe(
			"Team search has spent more than it should have on 2026-11-26: $340.00 instead of $200.00 (dearer tokens)",
		);
	});

	test("of an increase says who asks for how much, and what was decided", () => {
		const detail = {
			budget: "team||nano_usd|day",
			increase: "inc_1",
			askedAmount: "50000000000",
			requestedBy: "bea",
			reason: "launch",
			status: "approved",
			decidedBy: "ada",
		};
		expect(renderAlert(alertOf({ kind: "increase.requested", detail }), null).title).toBe("bea asks for $50.00 more for team search (team, day)");
		const decided = renderAlert(alertOf({ kind: "increase.decided", isFiring: false, detail }), null);
		expect(decided.title).toBe("The request for $50.00 more for team search (team, day) is approved by ada");
		expect(decided.facts).toContainEqual({ label: "Reason", value: "launch" });
		const ended = { ...detail, endedBy: "ada", endReason: "the launch is over" };
		const early = renderAlert(alertOf({ kind: "increase.ended", isFiring: false, detail: ended }), null);
		expect(early.title).toBe("The increase of team search (team, day) was ended before its date by ada; the limit is as before");
		expect(early.facts).toContainEqual({ label: "Ended because", value: "the launch is over" });
	});

	test("of a line that asks for itself says that the budget waits there, and nobody is named; a person who asks for it is", () => {
		const detail = {
			budget: line.budget,
			kind: "line",
			askedAmount: "900000000",
			limitAmount: "1000000000",
			requestedBy: "tollgate",
			status: "rejected",
			decidedBy: "ada",
		};
		const titles = ["increase.requested", "increase.decided"].map((kind) => renderAlert(alertOf({ kind, detail }), null).title);
		expect(titles).toEqual([
			"Budget of team search (team, day) has reached $0.90, 90 % of its limit: approval is needed to spend more",
			"The request of team search (team, day) to spend beyond $0.90 is rejected by ada",
		]);
		expect(renderAlert(alertOf({ kind: "increase.requested", detail: { ...detail, requestedBy: "bea" } }), null).title).toBe(
			"bea asks for team search to spend beyond $0.90, 90 % of its limit (team, day)",
		);
	});

	test("of an overrun says how much, and whether calls are refused; its end says what happened", () => {
		const detail = { ...line, action: "overrun", attemptId: "g1-1-7" };
		const overrun = (more: object = {}) => renderAlert(alertOf({ kind: "budget.overrun", detail: { ...detail, ...more } }), null);
		expect(overrun().title).toBe("Budget of team search (team, day): calls cost $0.20 more than was reserved; calls are refused until somebody sets it again");
		expect(overrun({ mode: "observe" }).title).toMatch(/; it only observes, nothing is refused$/);
		expect(overrun().facts).toContainEqual({ label: "Attempt", value: "g1-1-7" });
		const ends = [{ id: "alr_0", kind: "budget.overrun", severity: "critical" as const, atMs: AT_MS }];
		const over = renderAlert(alertOf({ kind: "budget.withdrawn", isFiring: false, ends, detail: { ...detail, reason: "cleared" } }), null);
		expect(over.title).toBe("Over: budget of team search (team, day), overrun before, was set again");
		expect(over.runbook).toBe("docs/runbooks/budget-overrun.md");
	});

	test.each([
		["price.mismatch", "openai/gpt", { calls: 1_000 }, /^1000 and more calls of openai\/gpt were answered as something the price book does not know/],
		["ledger.quarantine", "g2/7", { rows: 3 }, /^3 rows of gateway g2\/7 were refused by the ledger/],
		["authority.lost_commits", "", { gateways: "g1/1, g2/7" }, /^PostgreSQL has forgotten commits: what gateways g1\/1, g2\/7 were granted/],
		["gateway.fenced", "g2", {}, /^Gateway g2 went on under its name/],
		["gateway.silent", "g2", { amountNanoUsd: "250000000" }, /^Gateway g2 is not heard of and holds \$0\.25$/],
	])("of %s says what and where, and its end that it is over", (kind, subject, detail, title) => {
		const about = { teamId: "@organization", kind, subject, detail };
		expect(renderAlert(alertOf(about), null).title).toMatch(title);
		const ends = [{ id: "alr_0", kind, severity: "error" as const, atMs: AT_MS }];
		expect(renderAlert(alertOf({ ...about, isFiring: false, ends }), null).title).toMatch(/^Over: /);
	});

	test.each(ALERT_KINDS)("%s has words of its own, also where the detail says nothing", (kind) => {
		const rendered = renderAlert(alertOf({ kind, detail: {} }), null);
		expect(rendered.title).not.toContain("undefined");
		expect(rendered.title).not.toBe(`${kind} of team search`);
		expect(rendered.facts.every(({ value }) => value !== "" && !value.includes("undefined"))).toBe(true);
	});

	test("a kind of a newer release is told all the same", () => {
		expect(renderAlert(alertOf({ kind: "moon.full", detail: { budget: 7, nested: { a: 1 } } }), null)).toMatchObject({
			title: "moon.full of team search",
			runbook: "docs/runbooks/README.md",
		});
	});
});

test("the page is a link where somebody said where the pages are", () => {
	expect(renderAlert(alertOf({}), "https://wiki.example/runbooks").runbook).toBe("https://wiki.example/runbooks/budget-threshold.md");
});

test("a value of any length fits, and no half of a character is left", () => {
	const { facts } = renderAlert(alertOf({ detail: { problem: "x".repeat(5_000) } }), null);
	expect(facts.find(({ label }) => label === "Problem")?.value).toHaveLength(500);
	expect(shortened("ab😀", 3)).toBe("ab…");
});

test("money is dollars, to the nano-dollar", () => {
	expect([dollars(0n), dollars(1n), dollars(-250_000_000n), dollars(1_234_000_000_000n)]).toEqual(["$0.00", "$0.000000001", "-$0.25", "$1234.00"]);
});

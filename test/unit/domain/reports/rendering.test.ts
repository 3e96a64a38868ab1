import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { slackMessage } from "#activities/alerts/slack.ts";
import type { Alert } from "#domain/alerts/alert.ts";
import { renderHtml } from "#domain/reports/rendering/render-html.ts";
import { renderMarkdown } from "#domain/reports/rendering/render-markdown.ts";
import type { Cell } from "#domain/reports/report.ts";
import { reportFromWire, reportToWire, type WireReport } from "#domain/reports/report-codec.ts";
import { reportMessage } from "#domain/reports/report-message.ts";
import { REPORT_KINDS } from "#domain/reports/report-period.ts";
import { writeReport } from "#domain/reports/write-report.ts";
import { factsOf } from "#test/support/report-facts.ts";

const HOSTILE = [
	`<script>alert(1)</script>`,
	`"><img src=x onerror=alert(1)>`,
	`' onmouseover='alert(1)`,
	"a | b \\| c \\",
	"[click](https://evil.example)",
	"![x](https://evil.example/x.png)",
	"`code` *bold* _it_ ~~no~~ # head",
	"<!channel> <@U123> <https://evil.example|bank>",
	"line\nbreak\r\n\ttab",
	"\u202Egnp.exe \u2066x\u2069",
	"&lt;b&gt; &amp; &#60;",
	"</title></style></svg>",
] as const;
const reports = REPORT_KINDS.flatMap((kind) => [null, "search"].map((teamId) => ({ kind, teamId })));
const named = (name: string) => reports.map((of) => writeReport(factsOf({ ...of, name })));

/** Every tag and attribute name of a page, in order: what a browser would build. */
function tagsOf(html: string): string[] {
	return [...html.matchAll(/<\/?([a-zA-Z!][a-zA-Z0-9]*)((?:\s+[a-zA-Z][\w-]*(?:="[^"]*")?)*)\s*\/?>/g)].map(
		([, tag = "", attributes = ""]) => `${tag} ${[...attributes.matchAll(/([a-zA-Z][\w-]*)="/g)].map(([, attribute]) => attribute).join(" ")}`,
	);
}

describe("a page", () => {
	test.each(HOSTILE)("is built the same whatever a name is: %j", (name) => {
		const [plain, hostile] = [named("plain"), named(name)];
		for (const [index, report] of hostile.entries()) {
			const html = renderHtml(report);
			expect(tagsOf(html)).toEqual(tagsOf(renderHtml(plain[index] ?? report)));
			// What is no tag of ours is no tag at all.
			const words = html.replace(/<style>[^<]*<\/style>/, "").replaceAll(/<\/?[a-zA-Z!][a-zA-Z0-9]*(?:\s+[a-zA-Z][\w-]*(?:="[^"]*")?)*\s*\/?>/g, "");
			expect(words).not.toMatch(/[<>]/);
		}
	});

	test("needs nothing else: no script, no address, no file", () => {
		for (const report of named("chat")) {
			const html = renderHtml(report);
			expect(html).not.toMatch(/<script|<link|<iframe|<img|@import|url\(|src=|href=|https?:/i);
			expect(html).toContain("default-src 'none'");
		}
	});

	test("is in order: one heading of the first level, captions of tables, words for plots, heads of rows and columns", () => {
		for (const report of named("chat")) {
			const html = renderHtml(report);
			const count = (pattern: RegExp) => html.match(pattern)?.length ?? 0;
			expect([count(/<h1>/g), count(/<h2 /g)]).toEqual([1, report.sections.length]);
			expect(count(/<caption>/g)).toBe(count(/<table>/g));
			expect(count(/role="img"/g)).toBe(count(/<desc /g));
			expect(html).toMatch(/<html lang="en">/);
			const ids = [...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id);
			expect(new Set(ids).size).toBe(ids.length);
		}
	});

	test("shows rounded numbers with the exact ones in their titles", () => {
		const html = renderHtml(writeReport(factsOf()));
		expect(html).toContain('title="0.038650001 USD">$0.0387<');
		expect(html).toContain('title="12.00 USD">$12.00<');
	});
});

describe("Markdown", () => {
	test.each(HOSTILE)("keeps its lines and cells whatever a name is: %j", (name) => {
		const shape = (text: string) => text.split("\n").map((line) => line.replaceAll(/\\\|/g, "").match(/(?<!\\)\|/g)?.length ?? 0);
		for (const [index, report] of named(name).entries()) {
			const markdown = renderMarkdown(report);
			expect(shape(markdown)).toEqual(shape(renderMarkdown(named("plain")[index] ?? report)));
			expect(markdown).not.toMatch(/(?<!\\)\]\(|<(?!\$)[a-zA-Z!/@]|[\u202A-\u202E\u2066-\u2069]/);
			expect(markdown).not.toMatch(/(?<!\\):\/\//);
		}
	});
});

describe("what a channel is told", () => {
	const alertOf = (name: string): Alert => ({
		...{ id: "alr_1", atMs: 0, teamId: "search", subject: "report/daily", kind: "report.daily", severity: "info", isFiring: false, ends: [] },
		detail: reportMessage(writeReport(factsOf({ teamId: "search", name }))),
	});

	test("is a sentence, the figures, and where all of it is", () => {
		const { text, blocks } = slackMessage(alertOf("chat"), { runbooksUrl: null, isRepeat: false });
		expect(text).toContain("Daily report: team search, Thursday, 12 November 2026");
		const fields = blocks.flatMap((block) => ("fields" in block ? (block.fields ?? []).map((field) => field.text) : []));
		expect(fields).toContain("*Spent*\n$12.00");
		expect(fields).toContain("*By model*\nchat $12.00");
		expect(fields).toContain("*All of it*\nnpx tollgate report show daily-2026-11-12-search");
	});

	test.each(HOSTILE)("mentions nobody and links nowhere whatever a name is: %j", (name) => {
		const said = JSON.stringify(slackMessage(alertOf(name), { runbooksUrl: null, isRepeat: false }));
		expect(said).not.toMatch(/<[!@#h]/);
		expect(said).not.toMatch(/[\u202A-\u202E\u2066-\u2069]/);
	});
});

test("as JSON and back it is the same report, and JSON holds no number of money", () => {
	for (const report of named("chat")) {
		const wire = JSON.parse(JSON.stringify(reportToWire(report))) as WireReport;
		expect(reportFromWire(wire)).toEqual(report);
		expect(JSON.stringify(wire)).not.toMatch(/NanoUsd":\s*-?\d/i);
	}
});

test("tables add up: their rows to the row of all, and that to what was spent in all", () => {
	const amount = fc.bigInt({ min: -1_000n, max: 10n ** 14n });
	fc.assert(
		fc.property(fc.array(amount, { minLength: 1, maxLength: 60, size: "max" }), (amounts) => {
			const groups = amounts.map((nanoUsd, index) => ({ name: index === 0 ? null : `n${index}`, nanoUsd: [nanoUsd], calls: [1n], unresolvedNanoUsd: 0n }));
			const spent = amounts.reduce((sum, one) => sum + one, 0n);
			const totals = [{ nanoUsd: spent, calls: BigInt(amounts.length), unresolvedNanoUsd: 0n }];
			const { sections } = writeReport(factsOf({ more: { teams: groups, models: groups, features: groups, totals } }));
			for (const id of ["teams", "models", "features"]) {
				const table = sections.find((section) => section.id === id)?.tables[0];
				const moneyOf = (row: readonly Cell[] | undefined): bigint => {
					const cell = row?.[1];
					return cell?.is === "money" ? cell.nanoUsd : 0n;
				};
				expect(table?.rows.reduce((sum, row) => sum + moneyOf(row), 0n)).toBe(spent);
				expect(moneyOf(table?.total)).toBe(spent);
			}
		}),
		{ numRuns: 30, endOnFailure: true },
	);
});

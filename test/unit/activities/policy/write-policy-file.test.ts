import { expect, test } from "vitest";
import { writePolicyFile } from "#activities/policy/write-policy-file.ts";
import { EMPTY_TEAM, type PolicyFile } from "#domain/policy/policy.ts";

const calendar = { timeZone: "Europe/Berlin", weekStart: 1, fiscalYearStart: 4, mode: "enforce" } as const;
const daily = { dimension: "team", dimensionValue: "", unit: "nano_usd", windowKind: "day" } as const;

test("a policy reads as people would write it: the calendar once, amounts in dollars, quotes where a float would lose", () => {
	const file: PolicyFile = {
		organization: {
			increaseCeilingNanoUsd: null,
			budgets: [{ ...daily, ...calendar, dimension: "organization", limitAmount: "900719925474099301", thresholds: [] }],
		},
		models: { fast: [{ provider: "openai", model: "gpt-5-mini", pricedAsModel: "gpt-5-mini" }] },
		teams: {
			search: {
				...EMPTY_TEAM,
				approvers: ["null"],
				budgets: [
					{
						...daily,
						...calendar,
						timeZone: "UTC",
						limitAmount: "25000000000",
						thresholds: [
							{ action: "notify", at: { basisPoints: 8_750 } },
							{ action: "degrade", at: { amount: "50000000" }, degradeTo: { "gpt-5": "fast" } },
						],
					},
					{ ...daily, ...calendar, unit: "tokens", limitAmount: "20000000", thresholds: [{ action: "stop", at: { amount: "7" } }] },
				],
			},
		},
	};
	expect(writePolicyFile(file, { comment: "as it was\n\nrevision 7" })).toBe(
		`# as it was
#
# revision 7

version: 1
organization:
  timeZone: Europe/Berlin
  weekStart: monday
  fiscalYearStart: april
  increaseCeilingUsd: null
  budgets:
    - window: day
      limitUsd: "900719925.474099301"
      mode: enforce
      thresholds: []
models:
  fast:
    - provider: openai
      model: gpt-5-mini
teams:
  search:
    unlimited: false
    features: null
    approvers:
      - "null"
    increaseCeilingUsd: null
    budgets:
      - window: day
        limitUsd: 25
        mode: enforce
        timeZone: UTC
        thresholds:
          - at: 87.5%
            action: notify
          - atUsd: 0.05
            action: degrade
            to:
              gpt-5: fast
      - window: day
        tokens: 20000000
        mode: enforce
        thresholds:
          - atTokens: 7
            action: stop
`,
	);
});

test("a budget that leaves its calendar open keeps it open: the others say theirs", () => {
	const text = writePolicyFile({
		teams: {
			a: {
				budgets: [
					{ ...daily, limitAmount: "1" },
					{ ...daily, windowKind: "week", limitAmount: "1", timeZone: "Asia/Tokyo" },
				],
			},
		},
	});
	expect(text).not.toContain("organization");
	expect(text.match(/timeZone/g)).toHaveLength(1);
});

test("a key's rule for its batches is written as it is read, and not at all where nothing was said of it", () => {
	const text = writePolicyFile({
		teams: { ads: { keys: { key_0000000000000001: { resubmitsBatches: true, requiresRun: false }, key_0000000000000002: { userId: null } } } },
	});
	expect(text).toContain("batches:\n          resubmit: true\n");
	expect(text.match(/batches/g)).toHaveLength(1);
	expect(text).not.toContain("resubmitsBatches");
	const both = writePolicyFile({ teams: { ads: { keys: { key_0000000000000001: { resubmitsBatches: false, relanesBatches: true } } } } });
	expect(both).toContain("batches:\n          resubmit: false\n          relane: true\n");
	expect(writePolicyFile({ teams: { ads: { keys: { key_0000000000000001: { relanesBatches: true } } } } })).toContain("batches:\n          relane: true\n");
});

test("a team of which there is nothing to say is still named", () => {
	expect(writePolicyFile({ organization: {}, channels: {}, models: {}, teams: { ads: {} } })).toBe("version: 1\nteams:\n  ads: {}\n");
});

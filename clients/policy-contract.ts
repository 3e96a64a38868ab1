import { z } from "zod";

/** Requests and answers of `/admin/v1/policy`: part of the administration API (administration-contract.ts). */

/** Of a written policy. */
const FILE_CHARACTERS_MAX = 1 << 24;
const policyRevision = z
	.string()
	.regex(/^\d{1,18}$/)
	.describe("position in the change log");
const time = z.string().describe("ISO 8601, UTC");
const written = z.string().max(FILE_CHARACTERS_MAX).describe("a policy as YAML (docs/policy.md), at most 16 MiB");

export const PolicyFileRequest = z.strictObject({
	file: written,
	fileName: z.string().min(1).max(200).optional().describe("how mistakes name the file; default policy.yaml"),
	prune: z.boolean().optional().describe("archive what the file leaves out; default: it stays as it is"),
});
export const ApplyPolicyRequest = PolicyFileRequest.extend({ basis: policyRevision.describe("of the diff that was looked at") });
export const LiteLlmRequest = z.strictObject({
	file: z.string().max(FILE_CHARACTERS_MAX).describe("a LiteLLM proxy configuration as YAML, at most 16 MiB"),
	fileName: z.string().min(1).max(200).optional().describe("how mistakes name the file; default config.yaml"),
});

export const PolicyMistake = z.object({
	file: z.string(),
	line: z.int().describe("from 1"),
	column: z.int().describe("from 1"),
	path: z.string().describe("like teams.search.budgets[0].limitUsd; empty = the file as a whole"),
	problem: z.string(),
});

export const PolicyChange = z.object({
	kind: z.enum(["add", "change", "archive"]),
	at: z.array(z.string()).describe("sections and names down to the entry"),
	path: z.string(),
	before: z.unknown().describe("null = nothing"),
	after: z.unknown().describe("null = nothing"),
	effect: z.string().describe("what calls feel of it: tightens, loosens, both or neutral"),
	summary: z.string(),
});

export const PolicyDiff = z.object({
	basis: policyRevision.describe("give it to apply"),
	changes: z.array(PolicyChange).describe("empty = the file holds already"),
	text: z.string().describe("the same for people"),
});
export const AppliedPolicy = z.object({
	revision: policyRevision.nullable().describe("the policy revision that holds; null before the first"),
	isChanged: z.boolean().describe("false = it held already and nothing was written"),
});

const policy = z.record(z.string(), z.unknown()).describe("the complete normal form");
export const CurrentPolicy = z.object({ basis: policyRevision.describe("newest change of what the policy says"), policy, text: written });

export const PolicyRevision = z.object({
	revision: policyRevision,
	parent: policyRevision.nullable().describe("the policy revision before it"),
	at: time,
	adminName: z.string(),
	changeCount: z.int(),
});
export const PolicyHistory = z.object({ revisions: z.array(PolicyRevision).describe("the newest first") });
export const StoredPolicy = PolicyRevision.extend({
	source: z.string().describe("the file as it was given"),
	policy,
	changes: z.array(PolicyChange),
	text: written,
});

export const ImportedPolicy = z.object({
	text: written,
	notes: z
		.array(z.object({ line: z.int().describe("of the configuration"), path: z.string(), problem: z.string() }))
		.describe("what is not in the policy, or is there otherwise, and what is left to do"),
});

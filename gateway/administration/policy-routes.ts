import { z } from "zod";
import { applyPolicyFile, diffPolicyFile } from "#activities/policy/apply-policy.ts";
import { type PolicyDiff, type PolicyRequest, RefusedPolicy } from "#activities/policy/port.ts";
import { listPolicyRevisions, readCurrentPolicy, readPolicyRevision } from "#activities/policy/read-policy.ts";
import * as contract from "#clients/policy-contract.ts";
import { HANDLER, operators, readers } from "./access.ts";
import { defineRoute, type Route, type RouteContext, WrittenAnswer } from "./route.ts";

const DEFAULT_FILE_NAME = "policy.yaml";
/** A file of 16 MiB: JSON doubles its line breaks and quotes, and may take six bytes for two of another script. */
const BODY_BYTES_MAX = 48 * 1024 * 1024;
const withFile = { bodyBytesMax: BODY_BYTES_MAX, fileField: "file" } as const;

/** The policy as a whole: what holds, what a file would change, putting it in force, and what was applied when and by whom. */
export const POLICY_ROUTES: readonly Route[] = [
	defineRoute("GET /policy", {
		operationId: "readPolicy",
		access: readers(HANDLER),
		summary: "What holds now, and the basis to apply on",
		answer: contract.CurrentPolicy,
		handle: async ({ database, policyThread, teamIds }) => {
			const { basis, policyJson } = await readCurrentPolicy(database);
			const written = await policyThread.ask({ kind: "write", policyJson, teamIds });
			return WrittenAnswer.json({ basis, text: written.text }, { policy: written.policyJson });
		},
	}),
	defineRoute("GET /policy/history", {
		operationId: "listPolicyRevisions",
		access: readers(HANDLER),
		summary: "Policies that were applied, the newest first, page by page",
		answer: contract.PolicyHistory,
		query: z.strictObject({
			beforeRevision: z
				.string()
				.regex(/^\d{1,18}$/)
				.optional(),
			limit: z.coerce.number().int().min(1).max(1_000).default(200),
		}),
		handle: async ({ database }, { query }) => ({ revisions: await listPolicyRevisions(database, query) }),
	}),
	defineRoute("GET /policy/{revision}", {
		operationId: "readPolicyRevision",
		access: readers(null),
		summary: "One applied policy: the file, what it changed, and what held since",
		answer: contract.StoredPolicy,
		handle: async ({ database, policyThread }, { params }) => {
			const { changesJson, policyJson, ...stored } = await readPolicyRevision(database, params["revision"] ?? "");
			const written = await policyThread.ask({ kind: "write", policyJson });
			return WrittenAnswer.json({ ...stored, text: written.text }, { policy: written.policyJson, changes: changesJson });
		},
	}),
	defineRoute("POST /policy/diff", {
		operationId: "diffPolicy",
		access: operators(),
		summary: "What a policy file would change; nothing is written",
		body: contract.PolicyFileRequest,
		answer: contract.PolicyDiff,
		...withFile,
		handle: async (context, { body }) => {
			const { basis, text, changesJson } = await diffPolicyFile(context, toRequest(body));
			return WrittenAnswer.json({ basis, text }, { changes: changesJson });
		},
	}),
	defineRoute("POST /policy/apply", {
		operationId: "applyPolicy",
		access: operators(),
		summary: "Put a policy file in force, whole or not at all, as the diff on its basis said",
		body: contract.ApplyPolicyRequest,
		answer: contract.AppliedPolicy,
		...withFile,
		handle: (context, { body }) => applyPolicyFile(context, { ...toRequest(body), basis: body.basis }),
	}),
	defineRoute("POST /policy/import/litellm", {
		operationId: "importLiteLlm",
		access: operators(),
		summary: "A LiteLLM configuration as a policy file; nothing is written",
		body: contract.LiteLlmRequest,
		answer: contract.ImportedPolicy,
		...withFile,
		handle: (context, { body }) => imported(context, body),
	}),
];

/** A file of which nothing could be read is refused; otherwise what is left out is said. */
async function imported(
	{ policyThread }: RouteContext,
	{ file, fileName = "config.yaml" }: z.output<typeof contract.LiteLlmRequest>,
): Promise<z.input<typeof contract.ImportedPolicy>> {
	const { text, notes } = await policyThread.ask({ kind: "import", text: file });
	if (text === undefined) {
		const mistakes = notes.map((note) => ({ ...note, file: fileName, column: 1 }));
		throw new RefusedPolicy("admin.invalid", `There is nothing in ${fileName} that a policy says.`, { mistakes });
	}
	return { text, notes: notes.map((note) => ({ ...note })) };
}

/** A diff as problems carry it. */
export function copyDiff({ basis, changes, text }: PolicyDiff): z.input<typeof contract.PolicyDiff> {
	return { basis, text, changes: changes.map((change) => ({ ...change, at: [...change.at] })) };
}

function toRequest({ file, fileName = DEFAULT_FILE_NAME, prune = false }: z.output<typeof contract.PolicyFileRequest>): PolicyRequest {
	return { text: file, fileName, isPruning: prune };
}

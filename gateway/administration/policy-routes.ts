import { z } from "zod";
import { applyPolicyFile, diffPolicyFile } from "#activities/policy/apply-policy.ts";
import { importLitellm } from "#activities/policy/import-litellm.ts";
import { type PolicyDiff, type PolicyRequest, RefusedPolicy } from "#activities/policy/port.ts";
import { listPolicyRevisions, readCurrentPolicy, readPolicyRevision } from "#activities/policy/read-policy.ts";
import { writePolicyFile } from "#activities/policy/write-policy-file.ts";
import * as contract from "#clients/policy-contract.ts";
import { defineRoute, type Route } from "./route.ts";

const DEFAULT_FILE_NAME = "policy.yaml";
const IMPORTED = "From a LiteLLM configuration. What it could not carry over was listed beside it: look at both, then\nnpx tollgate diff policy.yaml";
/** JSON may double what a file has in bytes, and more. */
const BODY_BYTES_MAX = 4 * 1024 * 1024;
const withFile = { bodyBytesMax: BODY_BYTES_MAX, fileField: "file" } as const;

/** The policy as a whole: what holds, what a file would change, putting it in force, and what was applied when and by whom. */
export const POLICY_ROUTES: readonly Route[] = [
	defineRoute("GET /policy", {
		operationId: "readPolicy",
		summary: "What holds now, and the basis to apply on",
		answer: contract.CurrentPolicy,
		handle: async ({ database }) => {
			const { basis, policy } = await readCurrentPolicy(database);
			return { basis, policy, text: writePolicyFile(policy) };
		},
	}),
	defineRoute("GET /policy/history", {
		operationId: "listPolicyRevisions",
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
		summary: "One applied policy: the file, what it changed, and what held since",
		answer: contract.StoredPolicy,
		handle: async ({ database }, { params }) => {
			const { changes, ...stored } = await readPolicyRevision(database, params["revision"] ?? "");
			return { ...stored, changes: changes.map((change) => ({ ...change, at: [...change.at] })), text: writePolicyFile(stored.policy) };
		},
	}),
	defineRoute("POST /policy/diff", {
		operationId: "diffPolicy",
		summary: "What a policy file would change; nothing is written",
		body: contract.PolicyFileRequest,
		answer: contract.PolicyDiff,
		...withFile,
		handle: async (context, { body }) => copyDiff(await diffPolicyFile(context, toRequest(body))),
	}),
	defineRoute("POST /policy/apply", {
		operationId: "applyPolicy",
		summary: "Put a policy file in force, whole or not at all, as the diff on its basis said",
		body: contract.ApplyPolicyRequest,
		answer: contract.AppliedPolicy,
		...withFile,
		handle: (context, { body }) => applyPolicyFile(context, { ...toRequest(body), basis: body.basis }),
	}),
	defineRoute("POST /policy/import/litellm", {
		operationId: "importLiteLlm",
		summary: "A LiteLLM configuration as a policy file; nothing is written",
		body: contract.LiteLlmRequest,
		answer: contract.ImportedPolicy,
		...withFile,
		handle: async (_context, { body }) => imported(body),
	}),
];

/** A file of which nothing could be read is refused; otherwise what is left out is said. */
function imported({ file, fileName = "config.yaml" }: z.output<typeof contract.LiteLlmRequest>): z.input<typeof contract.ImportedPolicy> {
	const { policy, notes } = importLitellm(file);
	if (Object.keys(policy).length === 0) {
		const mistakes = notes.map((note) => ({ ...note, file: fileName, column: 1 }));
		throw new RefusedPolicy("admin.invalid", `There is nothing in ${fileName} that a policy says.`, { mistakes });
	}
	return { text: writePolicyFile(policy, { comment: IMPORTED }), notes: notes.map((note) => ({ ...note })) };
}

/** A diff as answers and problems carry it. */
export function copyDiff({ basis, changes, text }: PolicyDiff): z.input<typeof contract.PolicyDiff> {
	return { basis, text, changes: changes.map((change) => ({ ...change, at: [...change.at] })) };
}

function toRequest({ file, fileName = DEFAULT_FILE_NAME, prune = false }: z.output<typeof contract.PolicyFileRequest>): PolicyRequest {
	return { text: file, fileName, isPruning: prune };
}

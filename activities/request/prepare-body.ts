import type { Deployment } from "#activities/providers/port.ts";
import { type BodyEdits, editBody } from "#domain/bound/edit-body.ts";
import type { InspectedRequest } from "#domain/bound/request.ts";
import type { PriceLine } from "#domain/pricing/price-book.ts";

export type BodyRules = { readonly deployment: Deployment; readonly line: PriceLine; readonly clampedOutputTokens: number | undefined };

/** The bytes to send: the very buffer received wherever no rule changes it. */
export function prepareBody(request: InspectedRequest, rules: BodyRules): { readonly body: Buffer; readonly hasAddedStreamUsage: boolean } {
	const { deployment, line, clampedOutputTokens } = rules;
	const hasAddedStreamUsage = request.endpoint === "chat.completions" && request.isStream && !request.asksStreamUsage && deployment.hasStreamUsage;
	const isRenamed = deployment.model !== request.model;
	if (!hasAddedStreamUsage && !isRenamed && clampedOutputTokens === undefined) return { body: request.body, hasAddedStreamUsage };
	const edits: BodyEdits = {
		...(clampedOutputTokens === undefined ? {} : { outputCap: { tokens: clampedOutputTokens, line } }),
		...(hasAddedStreamUsage ? { asksStreamUsage: true } : {}),
		...(isRenamed ? { model: deployment.model } : {}),
	};
	return { body: editBody(request, edits), hasAddedStreamUsage };
}

import type { InspectedRequest } from "./request.ts";
import { factsOf } from "./request-facts.ts";

/** Whether the request brings tools, with its items or as the older `functions` of chat completions too. */
export function hasTools(request: InspectedRequest): boolean {
	const facts = factsOf(request);
	if (facts.hasTools) return true;
	const functions = facts.members.find(({ key }) => key === "functions");
	if (functions === undefined) return false;
	// The whole body was parsed already: so is a part of it.
	const value: unknown = JSON.parse(request.body.toString("utf8", functions.valueStart, functions.valueEnd));
	return Array.isArray(value) && value.length > 0;
}

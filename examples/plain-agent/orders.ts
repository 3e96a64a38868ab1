/** The agent's task and its one tool; a real agent would ask its shop. */

export const TASK = "Find out with find_order whether order A-1007 has left the house, then say so in one sentence.";

export const FIND_ORDER = {
	name: "find_order",
	description: "How an order stands.",
	schema: { type: "object" as const, properties: { order: { type: "string" } }, required: ["order"] },
};

/** The shop never comes to an end with it: what makes an agent ask again and again. */
export function findOrder(input: unknown): string {
	const { order } = input as { readonly order?: unknown };
	return JSON.stringify({ order: typeof order === "string" ? order : "unknown", state: "being packed" });
}

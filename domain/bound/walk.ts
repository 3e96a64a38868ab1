import type { FieldRule, FieldTable } from "./field-table.ts";
import type { RequestFacts } from "./request-facts.ts";

export type JsonObject = Readonly<Record<string, unknown>>;

/** What a walk over the parsed body needs; `facts` is filled as it goes. */
export type Walk = {
	readonly table: FieldTable;
	readonly facts: RequestFacts;
	/** Policy `unknownFields: pass`. */
	readonly mayPassUnknown: boolean;
	/** The parsed body, for caps that stand at the top level. */
	readonly body: JsonObject;
};

/** Fields read so far, before they become an InspectedRequest. */
export type Draft = {
	model: string | undefined;
	isStream: boolean;
	asksStreamUsage: boolean;
	outputCapTokens: number | undefined;
	outputCapField: string | undefined;
	choices: number;
	readonly claimed: Record<string, string>;
};

export type FieldVisit = { readonly key: string; readonly value: unknown; readonly rule: FieldRule; readonly draft: Draft; readonly walk: Walk };

export function isObject(value: unknown): value is JsonObject {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

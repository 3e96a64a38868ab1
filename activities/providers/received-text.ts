import { asObject, parseJson } from "./json.ts";
import { readEvent } from "./server-sent-events.ts";

/**
 * Bytes of text a stream event carries: every string below `delta`, in OpenAI's chat chunks (`choices[].delta`),
 * its Responses events (`delta`) and Anthropic's content deltas. A token is at least one byte, so the
 * sum is no less than the tokens that arrived.
 */
export function receivedTextBytes(raw: Buffer): number {
	if (!raw.includes('"delta"')) return 0;
	const data = asObject(parseJson(readEvent(raw).dataText));
	if (data === undefined) return 0;
	const choices = data["choices"];
	if (!Array.isArray(choices)) return textBytes(data["delta"]);
	return choices.reduce((sum: number, choice) => sum + textBytes(asObject(choice)?.["delta"]), 0);
}

function textBytes(value: unknown): number {
	if (typeof value === "string") return Buffer.byteLength(value);
	if (typeof value !== "object" || value === null) return 0;
	return Object.values(value).reduce((sum: number, nested) => sum + textBytes(nested), 0);
}

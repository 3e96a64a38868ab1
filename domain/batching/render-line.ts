import { assert } from "../assert.ts";
import { scanJson } from "../bound/scan-json.ts";
import type { Protocol } from "../pricing/price-book.ts";
import type { BatchEndpoint } from "./batch.ts";
import { ENDPOINT_URLS } from "./endpoint-urls.ts";

/**
 * A request as it goes to the provider: our custom id, which is the attempt id of the item's try, and the body's bytes as the caller wrote
 * them, but for the model where the deployment calls it otherwise.
 */
export type SentLine = { readonly customId: string; readonly body: Buffer; readonly protocol: Protocol; readonly endpoint: BatchEndpoint };

const LINE_END = Buffer.from("}\n");
const [LINE_FEED, CARRIAGE_RETURN, BLANK] = [0x0a, 0x0d, 0x20];

/** With the newline at its end. */
export function renderLine(line: SentLine): Buffer {
	return Buffer.concat([Buffer.from(lineStart(line)), line.body, LINE_END]);
}

function lineStart({ customId, protocol, endpoint }: Omit<SentLine, "body">): string {
	const id = JSON.stringify(customId);
	if (protocol === "anthropic") return `{"custom_id":${id},"params":`;
	return `{"custom_id":${id},"method":"POST","url":${JSON.stringify(ENDPOINT_URLS[endpoint])},"body":`;
}

/**
 * The body with its model replaced and every other byte unchanged; the very same buffer where it is called so already.
 * Throws InvariantViolation for a body without a model: it was checked when it came in.
 */
export function withModel(body: Buffer, model: string): Buffer {
	const replaced = withModelIfAny(body, model);
	assert(replaced !== undefined, "a stored request names a model");
	return replaced;
}

/** As `withModel`; undefined for what is no request with a model. */
export function withModelIfAny(body: Buffer, model: string): Buffer | undefined {
	const scanned = scanJson(body);
	const member = scanned.kind === "scanned" ? scanned.scan.members.find(({ key }) => key === "model") : undefined;
	if (member === undefined) return undefined;
	if (JSON.parse(body.toString("utf8", member.valueStart, member.valueEnd)) === model) return body;
	return Buffer.concat([body.subarray(0, member.valueStart), Buffer.from(JSON.stringify(model)), body.subarray(member.valueEnd)]);
}

/** Valid JSON has line breaks between tokens alone, where a blank says the same. The very same buffer where it has none. */
export function inOneLine(json: Buffer): Buffer {
	if (!json.includes(LINE_FEED) && !json.includes(CARRIAGE_RETURN)) return json;
	return Buffer.from(json.map((byte) => (byte === LINE_FEED || byte === CARRIAGE_RETURN ? BLANK : byte)));
}

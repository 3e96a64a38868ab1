import type { IncomingHttpHeaders } from "node:http";
import type { TraceContext } from "#activities/telemetry/port.ts";

/** Longest `tracestate` that is passed on, as W3C asks of everybody (w3.org/TR/trace-context, 3.3.1.5). */
const TRACESTATE_CHARACTERS_MAX = 512;
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** What the headers say of the caller's trace, well-formed or not; undefined: nothing. */
export function readTraceContext({ traceparent, tracestate }: IncomingHttpHeaders): TraceContext | undefined {
	if (traceparent === undefined) return undefined;
	const state = asOne(tracestate);
	return { traceparent: asOne(traceparent), ...(state !== undefined && { tracestate: state }) };
}

/** The same for what is kept until a span is made of it, hours later: what is not well-formed is as if it were absent. */
export function readKeptTraceContext(headers: IncomingHttpHeaders): TraceContext | null {
	const { traceparent = "", tracestate } = readTraceContext(headers) ?? {};
	if (!TRACEPARENT.test(traceparent)) return null;
	const isKept = tracestate !== undefined && tracestate.length <= TRACESTATE_CHARACTERS_MAX && /^[\x20-\x7e]+$/.test(tracestate);
	return { traceparent, ...(isKept && { tracestate }) };
}

function asOne(value: string | string[]): string;
function asOne(value: string | string[] | undefined): string | undefined;
function asOne(value: string | string[] | undefined): string | undefined {
	return Array.isArray(value) ? value.join(",") : value;
}

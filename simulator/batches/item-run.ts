import type { BilledCall } from "../call-log.ts";
import { type Directive, findMarker, NO_DIRECTIVE } from "../directive.ts";
import type { JsonObject } from "../json.ts";
import { errorBody, errorOfStatus, type Protocol, ProviderError } from "../provider-error.ts";
import type { ProviderState } from "../provider-state.ts";
import { reportUsage } from "../reported-usage.ts";
import { PAID_ROUTES } from "../routes.ts";
import { wireErrorOf } from "../wire-error.ts";

/**
 * One item of a batch, answered by the endpoint it is for. Nothing travels while it runs, so faults of the network mean something else here:
 * `hang` and `hang_mid_stream` never finish, cuts ran and were billed without a result line, `duplicate_chunk` has two of them.
 */

export type Item = {
	readonly protocol: Protocol;
	/** A paid route. */
	readonly endpoint: string;
	readonly customId: string;
	readonly body: JsonObject;
	/** Unique end of every id of this item. */
	readonly idSuffix: string;
	/** On the simulated clock. */
	readonly atMs: number;
	/** What the batch's plan has for it, where it says nothing itself. */
	readonly planned: { readonly status?: number; readonly errorCode?: string };
};

export type ItemRun =
	| { readonly kind: "stuck" }
	| {
			readonly kind: "succeeded" | "errored";
			readonly httpStatus: number;
			readonly requestId: string;
			/** Answer or error as the endpoint would have given it. */
			readonly body: unknown;
			/** Result lines. */
			readonly lines: number;
			/** null: not billed. */
			readonly bill: BilledCall | null;
	  };

/** What the wire of an answer names: Anthropic has a tier `batch`, OpenAI's answers say `default`. The call log says `batch` for both. */
const ANSWERED_TIER: Readonly<Record<Protocol, string>> = { openai: "default", anthropic: "batch" };
const LOGGED_TIER = "batch";

export function runItem(item: Item, state: ProviderState): ItemRun {
	try {
		return answerItem(item, state);
	} catch (error) {
		const wire = wireErrorOf(error);
		if (wire === undefined) throw error;
		return erroredItem(item, wire);
	}
}

function answerItem(item: Item, state: ProviderState): ItemRun {
	const { endpoint, body, protocol } = item;
	const route = PAID_ROUTES[endpoint];
	if (route === undefined) throw new ProviderError(404, `Invalid URL (POST ${endpoint})`, { code: null });
	if (body["stream"] === true) throw new ProviderError(400, "Streaming is not supported in a batch.", { param: "stream" });
	// The shortest form of the body, which no count of tokens may exceed.
	const { prompt, answer } = route.prepare(body, Buffer.byteLength(JSON.stringify(body)), state.responses);
	const directive = directiveOf(item, findMarker(prompt.texts) ?? NO_DIRECTIVE);
	if (directive.status !== undefined) throw errorOfStatus(directive.status, directive.errorCode === undefined ? {} : { code: directive.errorCode });
	const { fault } = directive;
	if (fault === "hang" || fault === "hang_mid_stream") return { kind: "stuck" };
	if (fault === "error_event_mid_stream") throw new ProviderError(500, "[simulated] the model failed while answering");
	const answeredTier = directive.answeredTier ?? ANSWERED_TIER[protocol];
	const made = answer({ directive: { ...directive, answeredTier }, cache: state.cache, idSuffix: item.idSuffix, createdAtMs: item.atMs });
	const report = reportUsage(made.usageAfter(made.outputTokens), fault);
	const requestId = requestIdOf(item);
	return {
		kind: "succeeded",
		httpStatus: 200,
		requestId,
		body: made.body(report.reported),
		lines: linesOf(fault),
		bill: {
			attemptId: item.customId,
			providerRequestId: requestId,
			at: new Date().toISOString(),
			protocol,
			model: made.model,
			serviceTier: directive.answeredTier ?? LOGGED_TIER,
			usage: report.billed,
		},
	};
}

/** What an item asks for itself is not overruled by the batch's plan. */
function directiveOf({ planned }: Item, directive: Directive): Directive {
	if (directive.status !== undefined || directive.fault !== undefined || planned.status === undefined) return directive;
	return { ...directive, ...planned };
}

function linesOf(fault: Directive["fault"]): number {
	if (fault === "cut_before_headers" || fault === "cut_after_headers" || fault === "cut_mid_stream") return 0;
	return fault === "duplicate_chunk" ? 2 : 1;
}

function erroredItem(item: Item, error: ProviderError): ItemRun {
	const requestId = requestIdOf(item);
	return { kind: "errored", httpStatus: error.status, requestId, body: errorBody(item.protocol, error, requestId), lines: 1, bill: null };
}

function requestIdOf({ idSuffix }: Item): string {
	return `req_${idSuffix}`;
}

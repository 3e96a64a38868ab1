import type { ProviderSettings } from "#config/providers.ts";
import { withModel } from "#domain/batching/render-line.ts";
import { judgeItemError } from "#domain/batching/retry.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { deploymentOf } from "../../providers/deployments.ts";
import type { AnswerHeaders, Deployment, ModelTransport } from "../../providers/port.ts";
import { decideAnswerOutcome } from "../../request/decide-outcome.ts";
import { retryAfterMs } from "../providers/provider-errors.ts";
import { accountOf, deploymentModelOf } from "./job-lines.ts";
import type { CallOutcome, ItemCall, RealTimeDependencies } from "./real-time.ts";

/** One call of an item, over the transport that calls go by: no redirect, no retry. What it did is known, or said not to be. */

/** What is longer is no answer to one request. */
const ANSWER_BYTES_MAX = 33_554_432;
/** Said before anything ran: too much at the moment. */
const OVERLOADED: ReadonlySet<number> = new Set([429, 503, 529]);

export type ItemCallsOptions = {
	readonly transport: Pick<ModelTransport, "send" | "redactionFor">;
	readonly providers: readonly ProviderSettings[];
};

/** @throws CostControlError "provider.unreachable" where the account is not configured here. */
export function createItemCalls({ transport, providers }: ItemCallsOptions): RealTimeDependencies["call"] {
	const settings = new Map(providers.map((provider) => [provider.name, provider]));
	return async (call) => {
		const provider = settings.get(accountOf(call.batch));
		if (provider === undefined) throw new CostControlError("provider.unreachable", `no account ${accountOf(call.batch)} is configured here`);
		const deployment = deploymentOf(provider, deploymentModelOf(call.batch));
		return judged(await send(transport, deployment, call), deployment, transport);
	};
}

type Answer = { readonly kind: "answer"; readonly status: number; readonly headers: AnswerHeaders; readonly body: Buffer };

function send(
	transport: ItemCallsOptions["transport"],
	deployment: Deployment,
	{ batch, attemptId, body, maxMs, signal }: ItemCall,
): Promise<Answer | CallOutcome> {
	return new Promise((resolve) => {
		if (signal.aborted) return resolve({ kind: "refused", retryAfterMs: null, why: "the worker stops" });
		const pieces: Buffer[] = [];
		let bytes = 0;
		let head: { readonly status: number; readonly headers: AnswerHeaders } | undefined;
		const call = {
			...{ deployment, endpoint: batch.endpoint, body: withModel(body, deployment.model), attemptId, maxCallMs: maxMs },
			forwardedHeaders: deployment.protocol === "anthropic" ? ["anthropic-version", "2023-06-01"] : [],
		};
		const cut = (): void => open.abort();
		const end = (outcome: Answer | CallOutcome): void => {
			signal.removeEventListener("abort", cut);
			resolve(outcome);
		};
		const open = transport.send(call, {
			onSent: () => undefined,
			onStart(status, headers) {
				head = { status, headers };
			},
			onData(chunk) {
				bytes += chunk.length;
				if (bytes > ANSWER_BYTES_MAX) open.abort();
				else pieces.push(chunk);
			},
			onEnd: () => end(head === undefined ? { kind: "unknown", why: "an answer without a status" } : { kind: "answer", ...head, body: Buffer.concat(pieces) }),
			onFailure({ kind, isSent, message }) {
				if (!isSent) end({ kind: "refused", retryAfterMs: null, why: `the provider cannot be reached: ${message}` });
				else end({ kind: "unknown", why: bytes > ANSWER_BYTES_MAX ? `the answer is longer than ${ANSWER_BYTES_MAX} bytes` : `the call was ${kind}` });
			},
		});
		signal.addEventListener("abort", cut);
	});
}

function judged(said: Answer | CallOutcome, deployment: Deployment, transport: ItemCallsOptions["transport"]): CallOutcome {
	if (said.kind !== "answer") return said;
	const redaction = transport.redactionFor(deployment);
	const { status: httpStatus } = said;
	const headers = redaction.headers(said.headers);
	const body = redaction.body(said.body).toString("utf8");
	if (decideAnswerOutcome(httpStatus, deployment.billedStatuses) === "charge") return { kind: "unknown", why: `the provider said ${httpStatus}` };
	const isOverload = OVERLOADED.has(httpStatus) && !judgeItemError(deployment.protocol, { httpStatus, body }).isOfAccount;
	if (isOverload) return { kind: "refused", retryAfterMs: retryAfterMs(namedIn(headers)), why: `the provider said ${httpStatus}` };
	return { kind: "answered", httpStatus, requestId: first(headers["x-request-id"] ?? headers["request-id"]) ?? null, body };
}

function namedIn(headers: AnswerHeaders): Headers {
	return new Headers(
		["retry-after", "retry-after-ms", "date"].flatMap((name) => (first(headers[name]) === undefined ? [] : [[name, first(headers[name]) ?? ""]])) as [
			string,
			string,
		][],
	);
}

function first(value: string | string[] | undefined): string | undefined {
	return Array.isArray(value) ? value[0] : value;
}

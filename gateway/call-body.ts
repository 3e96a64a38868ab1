import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import type { FastifyRequest } from "fastify";
import type { FieldProblem } from "#domain/budget/scope.ts";
import type { GatewayContext } from "./context.ts";
import type { HeldBody } from "./held-bodies.ts";
import type { Problem } from "./problem.ts";

/** The body of a request for a model: it is held whole, since it is judged whole. */

export const NO_ROOM_FOR_BODY: Problem = {
	code: "gateway.overloaded",
	message: "This gateway holds as many request bodies as it has memory for; try again shortly. Nothing was sent and nothing is charged.",
};

/** Before a byte of the body is read. Undefined when there is no place for it; node:http then reads it away, so that the caller hears the answer. */
export function holdBody(
	context: Pick<GatewayContext, "heldBodies" | "limits">,
	{ headers }: Pick<IncomingMessage, "headers">,
	response: ServerResponse,
): HeldBody | undefined {
	const held = context.heldBodies.enter(Math.min(declaredBytes(headers), context.limits.bodyBytesMax));
	if (held !== undefined) response.on("close", held.abandon);
	return held;
}

/** A body that comes in chunks says nothing of its length: it counts as the largest that is allowed until it is here. */
function declaredBytes(headers: IncomingHttpHeaders): number {
	if (headers["transfer-encoding"] !== undefined) return Number.POSITIVE_INFINITY;
	return Number(headers["content-length"] ?? 0);
}

export function bodyOf({ body }: FastifyRequest): Buffer {
	return Buffer.isBuffer(body) ? body : Buffer.alloc(0);
}

export const JSON_TYPE = /^application\/json\s*(;\s*charset="?utf-8"?\s*)?$/i;

/** The bytes are judged as UTF-8 JSON, so they must not arrive as anything else. */
export function mediaProblems({ headers }: Pick<FastifyRequest, "headers">): FieldProblem[] {
	const { "content-type": type, "content-encoding": encoding } = headers;
	return [
		...(type !== undefined && !JSON_TYPE.test(type) ? [{ field: "content-type", problem: "must be application/json in UTF-8" }] : []),
		...(encoding !== undefined && encoding !== "identity"
			? [{ field: "content-encoding", problem: "must be left out: a compressed body cannot be bounded" }]
			: []),
	];
}

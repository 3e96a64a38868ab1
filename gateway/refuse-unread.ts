import type { IncomingMessage, ServerResponse } from "node:http";
import type { GatewayContext } from "./context.ts";
import { type Problem, renderProblem } from "./problem.ts";
import { protocolOf } from "./protocol.ts";

export type UnreadRequest = { readonly request: IncomingMessage; readonly response: ServerResponse; readonly requestId: string };

/** Refuses a request that the framework has not seen. Where its body shall not be read, the connection closes with the answer; else node:http reads it away. */
export function refuseUnread(
	context: Pick<GatewayContext, "metrics">,
	{ request, response, requestId }: UnreadRequest,
	problem: Problem,
	{ isClosing }: { readonly isClosing: boolean },
): void {
	const rendered = renderProblem(problem, protocolOf({ url: request.url ?? "", headers: request.headers }), requestId);
	context.metrics.countRefusal(problem.code);
	context.metrics.countRequest("other", rendered.status);
	const headers = [...rendered.headers, ...(isClosing ? ["connection", "close"] : []), "content-length", String(Buffer.byteLength(rendered.body))];
	response.writeHead(rendered.status, headers).end(rendered.body);
}

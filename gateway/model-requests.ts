import type { IncomingMessage, ServerResponse } from "node:http";
import type { KeyIdentity } from "#activities/request/port.ts";
import { type Authentication, authenticate } from "./authenticate.ts";
import { holdBody } from "./call-body.ts";
import type { GatewayContext } from "./context.ts";
import type { HeldBody } from "./held-bodies.ts";
import { bodyTooLarge, DRAINING, type Problem, problemOf } from "./problem.ts";
import { refuseUnread, type UnreadRequest } from "./refuse-unread.ts";
import { answerCall, type ModelExchange, refuseForRoom } from "./routes/model-calls.ts";
import { MODEL_ROUTES, type ModelRoute } from "./routes/model-routes.ts";

/**
 * Requests for models, taken before the HTTP framework: what it does for a request is an eighth of the time between a call's arrival and its
 * leaving for the provider (docs/adr/0018-model-requests-before-the-framework.md).
 */
export type ModelRequests = {
	/** False: it is not for a model, and the framework's. */
	take(request: IncomingMessage, response: ServerResponse): boolean;
};

type Parts = {
	nextRequestId(): string;
	isDraining(): boolean;
};

export function createModelRequests(context: GatewayContext, { isDraining, nextRequestId }: Parts): ModelRequests {
	const routes = new Map(MODEL_ROUTES.map((route) => [route.url, route]));
	return {
		take(request, response) {
			const route = request.method === "POST" ? routes.get(pathOf(request)) : undefined;
			if (route === undefined) return false;
			const arriving = new ArrivingRequest(context, route, { request, response, requestId: nextRequestId() });
			if (isDraining()) arriving.refuse(DRAINING, { isClosing: true });
			else arriving.authenticate();
			return true;
		},
	};
}

function pathOf({ url = "" }: IncomingMessage): string {
	const end = url.indexOf("?");
	return end === -1 ? url : url.slice(0, end);
}

/** One of them, until it is read whole: its key, a place for its body, its body. */
class ArrivingRequest {
	readonly #context: GatewayContext;
	readonly #route: ModelRoute;
	readonly #unread: UnreadRequest;

	constructor(context: GatewayContext, route: ModelRoute, unread: UnreadRequest) {
		this.#context = context;
		this.#route = route;
		this.#unread = unread;
	}

	refuse(problem: Problem, { isClosing }: { readonly isClosing: boolean }): void {
		refuseUnread(this.#context, this.#unread, problem, { isClosing });
	}

	authenticate(): void {
		const found = authenticate(this.#context.authority, this.#unread.request);
		if (found instanceof Promise) found.then((authentication) => this.#accept(authentication)).catch((error: unknown) => this.#fail(error));
		else this.#accept(found);
	}

	#accept(authentication: Authentication): void {
		// Left while its key was looked up: nothing would tell that it has.
		if (this.#unread.response.destroyed) return;
		if (authentication.kind === "refused") this.refuse(authentication, { isClosing: false });
		else this.#hold(authentication.key);
	}

	#hold(virtualKey: KeyIdentity): void {
		const { request, response } = this.#unread;
		const heldBody = holdBody(this.#context, request, response);
		if (heldBody === undefined) refuseForRoom(this.#exchangeOf(virtualKey, NO_BYTES));
		else if (Number(request.headers["content-length"] ?? 0) > this.#context.limits.bodyBytesMax) this.#refuseTooLarge();
		else this.#read(virtualKey, heldBody);
	}

	#read(virtualKey: KeyIdentity, heldBody: HeldBody): void {
		const { request } = this.#unread;
		const { bodyBytesMax } = this.#context.limits;
		let pieces: Buffer[] = [];
		let bytes = 0;
		request.on("data", (piece: Buffer) => {
			const wasAllowed = bytes <= bodyBytesMax;
			bytes += piece.length;
			if (bytes <= bodyBytesMax) pieces.push(piece);
			else if (wasAllowed) {
				pieces = [];
				this.#refuseTooLarge();
			}
		});
		request.on("end", () => {
			if (bytes > bodyBytesMax) return;
			const [first = NO_BYTES] = pieces;
			void answerCall(this.#exchangeOf(virtualKey, pieces.length > 1 ? Buffer.concat(pieces) : first), heldBody);
		});
	}

	#refuseTooLarge(): void {
		// Without closing, an unread body would keep the connection, and its bytes, coming.
		this.refuse(bodyTooLarge(this.#context.limits.bodyBytesMax), { isClosing: true });
	}

	#fail(error: unknown): void {
		this.#context.log.error({ requestId: this.#unread.requestId, err: error }, "a request failed");
		if (!this.#unread.response.headersSent) this.refuse(problemOf(error), { isClosing: false });
	}

	#exchangeOf(virtualKey: KeyIdentity, body: Buffer): ModelExchange {
		const { request, response, requestId } = this.#unread;
		return { context: this.#context, route: this.#route, request: { id: requestId, raw: request, response, virtualKey, body } };
	}
}

const NO_BYTES = Buffer.alloc(0);

import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { DeferredStatus } from "#domain/batching/deferred.ts";

/** The gateway's side of `/v1/deferred`, played from memory: accepts, lists, waits, cancels. What becomes of an item a test says. */

export type PlayedItem = {
	readonly id: string;
	readonly endpoint: string;
	readonly headers: IncomingHttpHeaders;
	readonly body: unknown;
	status: DeferredStatus;
	answer: { readonly status_code: number; readonly body: unknown } | null;
	is_late: boolean;
};
export type PlayedRequest = { readonly method: string; readonly path: string; readonly query: string; readonly atMs: number };
/** Instead of what would be answered: another answer; "lose" = it is done, and the answer gets lost; "hold" = nothing is ever answered. */
export type Interference =
	| { readonly status: number; readonly body?: unknown; readonly headers?: Readonly<Record<string, string>> }
	| "lose"
	| "hold"
	| undefined;

export type PlayedGateway = {
	readonly url: string;
	/** In the order in which they were accepted. */
	readonly items: readonly PlayedItem[];
	readonly requests: readonly PlayedRequest[];
	/** Most that were under way at once, waits left out. */
	readonly underWayMost: () => number;
	/** Waits that are held open. */
	readonly waiting: () => number;
	/** Asked before each request is served. */
	interfere: (request: IncomingMessage, body: unknown) => Interference | Promise<Interference>;
	end(deferredId: string, changes?: Partial<Pick<PlayedItem, "status" | "answer" | "is_late">>): void;
	close(): Promise<void>;
};

const FINAL: readonly DeferredStatus[] = ["succeeded", "failed", "expired", "cancelled"];
const LIST_LIMIT_USUAL = 20;

export async function startPlayedGateway(): Promise<PlayedGateway> {
	const state = { items: [] as PlayedItem[], byKey: new Map<string, PlayedItem>(), requests: [] as PlayedRequest[], underWay: 0, most: 0 };
	const waits = new Map<ServerResponse, PlayedItem>();
	const find = (id: string | undefined) => state.items.find((item) => item.id === id);
	const server = createServer((request, response) => void serve(request, response));
	await once(server.listen(0, "127.0.0.1"), "listening");
	const gateway: PlayedGateway = {
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		items: state.items,
		requests: state.requests,
		underWayMost: () => state.most,
		waiting: () => waits.size,
		interfere: () => undefined,
		end(deferredId, changes = {}) {
			const item = find(deferredId);
			if (item === undefined) throw new Error(`nothing of the name ${deferredId} was handed in`);
			Object.assign(item, { status: "succeeded", answer: { status_code: 200, body: { echo: item.body } }, ...changes });
			for (const [response, waited] of waits) if (waited === item) send(response, 200, viewOf(item));
		},
		async close() {
			server.closeAllConnections();
			server.close();
			await once(server, "close");
		},
	};

	async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
		const chunks: Buffer[] = [];
		for await (const chunk of request) chunks.push(chunk as Buffer);
		const text = Buffer.concat(chunks).toString();
		const { pathname: path, search: query, searchParams } = new URL(request.url ?? "", "http://gateway");
		const { method = "" } = request;
		state.requests.push({ method, path, query, atMs: performance.now() });
		if (!path.endsWith("/wait")) {
			state.underWay += 1;
			state.most = Math.max(state.most, state.underWay);
			response.once("close", () => (state.underWay -= 1));
		}
		const body = text === "" ? undefined : (JSON.parse(text) as unknown);
		const interference = await gateway.interfere(request, body);
		if (interference === "hold") return;
		if (typeof interference === "object") return void send(response, interference.status, interference.body ?? {}, interference.headers);
		const answer = method === "POST" ? accept(request, path, { text, body }) : answerOf(method, path, searchParams);
		if (interference === "lose") return void response.destroy();
		if (answer === "wait") return void holdOpen(response, path);
		send(response, answer.status, answer.body);
	}

	function accept({ headers }: IncomingMessage, path: string, { text, body }: { readonly text: string; readonly body: unknown }) {
		const key = String(headers["idempotency-key"]);
		const known = state.byKey.get(key);
		if (known !== undefined && JSON.stringify(known.body) !== text) return problem(422, "idempotency.mismatch", "This key came with another request before.");
		if (known !== undefined) return { status: 200, body: viewOf(known) };
		const id = `deferred_${createHash("sha256").update(String(state.items.length)).digest("hex").slice(0, 24)}`;
		const item: PlayedItem = { id, endpoint: path.slice("/v1/deferred/".length), headers, body, status: "collecting", answer: null, is_late: false };
		state.items.push(item);
		state.byKey.set(key, item);
		return { status: 202, body: viewOf(item) };
	}

	function answerOf(method: string, path: string, asked: URLSearchParams) {
		if (path === "/v1/deferred") return listed(asked);
		const [id, verb] = path.slice("/v1/deferred/".length).split("/");
		const item = find(id);
		if (item === undefined) return problem(404, "deferred.missing", `This team has no item ${id}.`);
		if (method === "DELETE" && !FINAL.includes(item.status)) gateway.end(item.id, { status: "cancelled", answer: null });
		if (verb === "wait" && !FINAL.includes(item.status)) return "wait" as const;
		return { status: 200, body: viewOf(item) };
	}

	function listed(asked: URLSearchParams) {
		const limit = Number(asked.get("limit") ?? LIST_LIMIT_USUAL);
		const newestFirst = state.items.toReversed();
		const from = asked.has("after") ? newestFirst.findIndex(({ id }) => id === asked.get("after")) + 1 : 0;
		const data = newestFirst.slice(from, from + limit).map((item) => ({ ...viewOf(item), answer: undefined }));
		const ends = { first_id: data[0]?.id ?? null, last_id: data.at(-1)?.id ?? null };
		return { status: 200, body: { object: "list", data, has_more: newestFirst.length > from + limit, ...ends } };
	}

	function holdOpen(response: ServerResponse, path: string): void {
		const item = find(path.split("/").at(-2));
		if (item === undefined) throw new Error(`nobody waits at ${path}`);
		waits.set(response, item);
		response.once("close", () => waits.delete(response));
	}

	return gateway;
}

function viewOf({ id, endpoint, status, answer, is_late, headers, body }: PlayedItem) {
	const isFinal = FINAL.includes(status);
	return {
		...{ id, object: "deferred", status, endpoint: `/v1/${endpoint}`, model: (body as { model?: unknown }).model ?? null, is_late },
		...{ lane: isFinal ? "batch" : null, created_at: "2026-01-01T00:00:00Z", deadline: null, answered_at: isFinal ? "2026-01-01T01:00:00Z" : null },
		...{ held_nano_usd: isFinal ? "0" : "1000", cost_nano_usd: status === "succeeded" ? "500" : null },
		...{ answer, webhook: headers["x-tollgate-webhook"] ?? null },
	};
}

function problem(status: number, code: string, message: string) {
	return { status, body: { error: { code, message, param: null, type: "invalid_request_error" } } };
}

function send(response: ServerResponse, status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): void {
	response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
}

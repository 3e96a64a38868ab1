import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { invalid as invalidMessage, messagesPrompt } from "./anthropic/input.ts";
import { BatchSide, batchFolderOf } from "./batches/batch-side.ts";
import { drain } from "./batches/reply.ts";
import { type ControlAnswer, control, isLoopback, readControlBody } from "./control.ts";
import { Delivery } from "./delivery.ts";
import { type Directive, findMarker, mayHoldMarker, NO_DIRECTIVE, parseDirective } from "./directive.ts";
import { isObject, type JsonObject } from "./json.ts";
import { describeModel, listModels } from "./models.ts";
import { errorBody, errorOfStatus, type Protocol, ProviderError } from "./provider-error.ts";
import type { ProviderState } from "./provider-state.ts";
import { PAID_ROUTES, type PaidRoute } from "./routes.ts";
import type { Settings } from "./settings.ts";
import { wireErrorOf } from "./wire-error.ts";

/** The HTTP side of the simulated provider: raw node:http, one handler, no framework, because it must stay ahead of what it measures. */

const COUNT_TOKENS = "/v1/messages/count_tokens";
const MODELS = "/v1/models";
const KEEP_ALIVE_MS = 75_000;
const ATTEMPT_ID_CHARACTERS_MOST = 512;

/** One request as it comes in. */
type Arrived = {
	readonly state: ProviderState;
	readonly settings: Settings;
	readonly request: IncomingMessage;
	readonly response: ServerResponse;
	readonly path: string;
};

/** With everything its answer needs. */
type Exchange = Arrived & {
	readonly protocol: Protocol;
	readonly idSuffix: string;
	readonly receivedAtMs: number;
};

export function createSimulatorServer(state: ProviderState, settings: Settings): Server {
	const batches = new BatchSide(state, { folder: batchFolderOf(settings.callLogPath), seed: settings.seed });
	const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
		const arrived = { state, settings, request, response, path: pathOf(request) };
		// Files and batches are larger than what is read whole.
		if (batches.serves(arrived.path)) return manage(batches, openExchange(arrived));
		receive(request, settings.maximumBodyBytes, (bytes) => route(batches, arrived, bytes));
	});
	server.on("connection", (socket) => socket.setNoDelay(true));
	server.on("close", () => batches.stop());
	return server;
}

/** Collects the body; undefined when it is larger than allowed (the rest is read and dropped). */
function receive(request: IncomingMessage, maximumBytes: number, whenRead: (bytes: Buffer | undefined) => void): void {
	const chunks: Buffer[] = [];
	let size = 0;
	request.on("data", (chunk: Buffer) => {
		size += chunk.length;
		if (size <= maximumBytes) chunks.push(chunk);
	});
	request.on("end", () => whenRead(size > maximumBytes ? undefined : chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
}

function route(batches: BatchSide, arrived: Arrived, bytes: Buffer | undefined): void {
	if (arrived.path.startsWith("/simulator/")) return steer(batches, arrived, bytes);
	const exchange = openExchange(arrived);
	answer(exchange, bytes).catch((error: unknown) => fail(exchange, error));
}

/** Counts the call and says on its answer who gives it. */
function openExchange(arrived: Arrived): Exchange {
	const { state, request, response, path } = arrived;
	const exchange: Exchange = { ...arrived, protocol: protocolOf(path, request), idSuffix: state.nextIdSuffix(), receivedAtMs: Date.now() };
	state.totalRequests += 1;
	state.inFlight += 1;
	response.once("close", () => {
		state.inFlight -= 1;
		state.countStatus(response.headersSent ? response.statusCode : 0);
	});
	setHeaders(exchange);
	return exchange;
}

function manage(batches: BatchSide, exchange: Exchange): void {
	answerOfBatches(batches, exchange).catch(async (error: unknown) => {
		if (await drain(exchange.request)) fail(exchange, error);
		else exchange.response.destroy();
	});
}

async function answerOfBatches(batches: BatchSide, exchange: Exchange): Promise<void> {
	const { request, response, path } = exchange;
	checkCaller(exchange);
	const query = new URLSearchParams(request.url?.slice(path.length + 1));
	await batches.answer({ request, response, method: request.method ?? "GET", path, query });
}

function pathOf(request: IncomingMessage): string {
	const target = request.url ?? "/";
	const query = target.indexOf("?");
	return query < 0 ? target : target.slice(0, query);
}

function protocolOf(path: string, request: IncomingMessage): Protocol {
	return path.startsWith("/v1/messages") || (path.startsWith(MODELS) && request.headers["anthropic-version"] !== undefined) ? "anthropic" : "openai";
}

async function answer(exchange: Exchange, bytes: Buffer | undefined): Promise<void> {
	const { request, path, settings } = exchange;
	checkCaller(exchange);
	if (bytes === undefined) throw new ProviderError(413, `The request is larger than ${settings.maximumBodyBytes} bytes.`);
	const paid = request.method === "POST" && Object.hasOwn(PAID_ROUTES, path) ? PAID_ROUTES[path] : undefined;
	if (paid !== undefined) return sell(exchange, paid, bytes);
	if (request.method === "POST" && path === COUNT_TOKENS)
		return sendJson(exchange, { input_tokens: messagesPrompt(readBody(bytes), bytes.length).inputTokens });
	if (request.method === "GET" && path === MODELS) return sendJson(exchange, listModels(exchange.protocol));
	if (request.method === "GET" && path.startsWith(`${MODELS}/`))
		return sendJson(exchange, describeModel(exchange.protocol, decodeURIComponent(path.slice(MODELS.length + 1))));
	throw new ProviderError(404, `Invalid URL (${request.method} ${path})`, { code: null });
}

async function sell(exchange: Exchange, { prepare }: PaidRoute, bytes: Buffer): Promise<void> {
	const { state, request, response } = exchange;
	const body = readBody(bytes);
	const prepared = prepare(body, bytes.length, state.responses);
	const marker = mayHoldMarker(bytes) ? findMarker(prepared.prompt.texts) : undefined;
	const directive = withDrawnFault(state, readDirective(request, marker));
	const { idSuffix, receivedAtMs } = exchange;
	const made = prepared.answer({ directive, cache: state.cache, idSuffix, createdAtMs: receivedAtMs });
	const call = { state, response, directive, attemptId: attemptIdOf(request), providerRequestId: requestIdOf(exchange), target: request.url ?? exchange.path };
	await new Delivery(call, made).run();
}

function readDirective(request: IncomingMessage, marker: Directive | undefined): Directive {
	const header = request.headers["x-simulate"];
	if (typeof header !== "string") return marker ?? NO_DIRECTIVE;
	return { ...marker, ...parseDirective(header) };
}

/** What a request asks for itself is not overruled by the dice. */
function withDrawnFault(state: ProviderState, directive: Directive): Directive {
	if (directive.fault !== undefined || directive.status !== undefined) return directive;
	const drawn = state.drawFault();
	return drawn === undefined ? directive : { ...directive, ...drawn };
}

function attemptIdOf(request: IncomingMessage): string | null {
	const value = request.headers["x-client-request-id"];
	return typeof value === "string" ? value.slice(0, ATTEMPT_ID_CHARACTERS_MOST) : null;
}

function requestIdOf({ idSuffix }: Exchange): string {
	return `req_${idSuffix}`;
}

function checkCaller({ request, protocol, settings }: Exchange): void {
	checkKey(request, settings.requiredKey);
	const isAnthropicPost = protocol === "anthropic" && request.method === "POST";
	if (isAnthropicPost && request.headers["anthropic-version"] === undefined) throw invalidMessage("anthropic-version: header is required");
}

function checkKey(request: IncomingMessage, requiredKey: string | undefined): void {
	if (requiredKey === undefined) return;
	const { authorization } = request.headers;
	if (authorization !== `Bearer ${requiredKey}` && request.headers["x-api-key"] !== requiredKey) throw errorOfStatus(401);
}

/** Throws the provider's 400 for anything but a JSON object. */
function readBody(bytes: Buffer): JsonObject {
	let value: unknown;
	try {
		value = JSON.parse(bytes.toString());
	} catch (cause) {
		throw new ProviderError(400, `We could not parse the JSON body of your request: ${(cause as Error).message}`);
	}
	if (!isObject(value)) throw new ProviderError(400, "The body of the request must be a JSON object.");
	return value;
}

function setHeaders(exchange: Exchange): void {
	const { response, protocol } = exchange;
	response.setHeader("x-simulated-provider", "true");
	if (protocol === "anthropic") {
		response.setHeader("request-id", requestIdOf(exchange));
		return;
	}
	response.setHeader("x-request-id", requestIdOf(exchange));
	response.setHeader("openai-version", "2020-10-01");
}

function sendJson({ response }: Pick<Exchange, "response">, body: JsonObject, status = 200): void {
	const bytes = Buffer.from(JSON.stringify(body));
	response.writeHead(status, { "content-type": "application/json", "content-length": bytes.length }).end(bytes);
}

/** Every error leaves in the protocol's shape; one that is ours is a 500 and stands on stderr. */
function fail(exchange: Exchange, error: unknown): void {
	const { response, protocol } = exchange;
	const known = wireErrorOf(error);
	if (known === undefined) process.stderr.write(`simulated provider: ${(error as Error).stack ?? String(error)}\n`);
	if (response.headersSent || response.destroyed) {
		response.destroy();
		return;
	}
	const wire = known ?? errorOfStatus(500);
	if (wire.options.retryAfterSeconds !== undefined) response.setHeader("retry-after", String(wire.options.retryAfterSeconds));
	sendJson(exchange, errorBody(protocol, wire, requestIdOf(exchange)) as JsonObject, wire.status);
}

function steer(batches: BatchSide, arrived: Arrived, bytes: Buffer | undefined): void {
	const { state, request, response, path } = arrived;
	response.setHeader("x-simulated-provider", "true");
	if (!isLoopback(request.socket.remoteAddress)) return sendJson({ response }, { error: "control endpoints are for loopback only" }, 403);
	const body = bytes === undefined ? undefined : readControlBody(bytes);
	if (body === undefined) return sendJson({ response }, { error: "expected a JSON object" }, 400);
	const method = request.method ?? "GET";
	const made: Promise<ControlAnswer> = batches.steers(path) ? batches.control({ method, path, body }) : Promise.resolve(control(state, method, path, body));
	made.then(
		({ status, body: answered }) => sendJson({ response }, answered, status),
		(error: unknown) => {
			process.stderr.write(`simulated provider: ${(error as Error).stack ?? String(error)}\n`);
			sendJson({ response }, { error: "the simulated provider failed" }, 500);
		},
	);
}

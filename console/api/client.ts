import createClient from "openapi-fetch";
import { ApiProblem, problemOfAnswer, problemOfFailure } from "./problem.ts";
import type { paths } from "./schema.ts";

export const CSRF_HEADER = "x-tollgate-csrf";
const READING_METHODS = new Set(["GET", "HEAD"]);
const TIMEOUT_MS = 10_000;
/** A change waits until every gateway acts on it. */
const CHANGE_TIMEOUT_MS = 60_000;

let csrfToken = "";

/** Of the session: without it the API takes no change. */
export function rememberCsrfToken(token: string): void {
	csrfToken = token;
}

type GetPath = { [Path in keyof paths]: paths[Path] extends { get: { responses: { 200: unknown } } } ? Path : never }[keyof paths];
type Operation<Path extends keyof paths, Method extends keyof paths[Path]> = paths[Path][Method];
type Json<Responses> = Responses extends { 200: { content: { "application/json": infer Body } } }
	? Body
	: Responses extends { 201: { content: { "application/json": infer Body } } }
		? Body
		: never;

/** What `GET path` answers. */
export type Answer<Path extends GetPath> = Operation<Path, "get"> extends { responses: infer Responses } ? Json<Responses> : never;
export type AskablePath = GetPath;
/** Query and path parameters of `GET path`. */
export type Question<Path extends GetPath> =
	Operation<Path, "get"> extends { parameters: infer Parameters }
		? {
				[Name in "query" | "path" as Name extends keyof Parameters ? (Parameters[Name] extends undefined ? never : Name) : never]: Parameters[Name &
					keyof Parameters];
			}
		: never;

/** Same origin, with the session's cookie; every failure is an ApiProblem. */
export const api = createClient<paths>({ fetch: (request) => send(request, READING_METHODS.has(request.method) ? TIMEOUT_MS : CHANGE_TIMEOUT_MS) });

api.use({
	onRequest({ request }) {
		if (!READING_METHODS.has(request.method)) request.headers.set(CSRF_HEADER, csrfToken);
	},
});

/** The body is read here, so that an answer that breaks off or hangs halfway is a failure like any other. */
async function send(request: Request, timeoutMs: number): Promise<Response> {
	try {
		const signal = AbortSignal.any([request.signal, AbortSignal.timeout(timeoutMs)]);
		const response = await fetch(new Request(request, { signal }));
		const text = await response.text();
		const isTable = response.ok && response.headers.get("content-type")?.startsWith("text/csv") === true;
		const body: unknown = text === "" || isTable ? null : JSON.parse(text);
		if (!response.ok) throw problemOfAnswer(response.status, body);
		return new Response(text, { status: response.status, headers: response.headers });
	} catch (error) {
		if (request.signal.aborted) throw error;
		throw problemOfFailure(error, timeoutMs);
	}
}

/** @throws ApiProblem. */
export async function readAnswer<Path extends AskablePath>(path: Path, question: Question<Path>, signal: AbortSignal): Promise<Answer<Path>> {
	return unwrap(await api.GET(path as never, { params: question, signal } as never)) as Answer<Path>;
}

/** The body of an answer; the client throws for every other. */
export function unwrap<Body>(answer: { readonly data?: Body; readonly error?: unknown }): Body {
	if (answer.data === undefined) throw new ApiProblem("The API answered nothing.", { status: null, code: "console.broken_answer" });
	return answer.data;
}

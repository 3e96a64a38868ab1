import { randomBytes } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import path from "node:path";
import type { TestAdministration } from "./administration.ts";
import { PROJECT_FOLDER } from "./project-files.ts";

const BUILT_FOLDER = path.join(PROJECT_FOLDER, "console/dist");
const TYPES: Readonly<Record<string, string>> = { ".js": "text/javascript", ".css": "text/css", ".html": "text/html" };
const POLICY = (nonce: string) =>
	`default-src 'none'; script-src 'self' 'nonce-${nonce}'; style-src 'self' 'nonce-${nonce}'; img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'`;

export type TestSession = { readonly role: string; readonly teamIds: readonly string[] | null };
export type ConsoleFront = { readonly url: string; isSignedIn: boolean; session: TestSession; tell(topics: readonly string[]): void; close(): Promise<void> };

/** Serves the built console and stands in for sessions: one for everybody, and every question is asked with the admin key. */
export async function openConsoleFront(administration: TestAdministration): Promise<ConsoleFront> {
	const listeners = new Set<ServerResponse>();
	const front = {
		isSignedIn: true,
		session: { role: "operator", teamIds: null } as TestSession,
		tell(topics: readonly string[]) {
			for (const listener of listeners) listener.write(`event: changed\ndata: ${JSON.stringify({ topics })}\n\n`);
		},
	};
	const describeSession = () => ({
		name: "ada",
		...front.session,
		csrfToken: "csrf",
		expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
		temporalUiUrl: null,
		timeZone: "UTC",
	});
	const answerSession = async (request: IncomingMessage, response: ServerResponse) => {
		if (request.method === "POST") {
			const proof = JSON.parse(await readBody(request)) as { link?: string; adminKey?: string };
			front.isSignedIn = proof.link === "good" || proof.adminKey === administration.adminKey;
			if (!front.isSignedIn)
				return sendJson(response, 401, { error: { code: "key.invalid", message: "This link was used already or is too old.", field: null } });
		}
		if (request.method === "DELETE") front.isSignedIn = false;
		if (!front.isSignedIn)
			return sendJson(response, request.method === "DELETE" ? 200 : 401, { error: { code: "key.missing", message: "Sign in.", field: null } });
		return sendJson(response, 200, describeSession());
	};
	const ask = async (request: IncomingMessage, response: ServerResponse) => {
		const { pathname } = new URL(request.url ?? "/", "http://localhost");
		if (pathname.startsWith("/console/")) return sendFile(pathname, response);
		if (pathname === "/admin/v1/session/ways") return sendJson(response, 200, { oidc: null });
		if (pathname === "/admin/v1/session") return answerSession(request, response);
		if (!front.isSignedIn) return sendJson(response, 401, { error: { code: "key.missing", message: "Sign in.", field: null } });
		if (pathname === "/admin/v1/events") {
			response.writeHead(200, { "content-type": "text/event-stream" }).write(": open\n\n");
			listeners.add(response);
			return void request.on("close", () => listeners.delete(response));
		}
		const answer = await administration.app.inject({
			method: request.method as "GET",
			url: request.url ?? "/",
			headers: {
				authorization: `Bearer ${administration.adminKey}`,
				...(request.headers["content-type"] && { "content-type": request.headers["content-type"] }),
			},
			payload: await readBody(request),
		});
		response.writeHead(answer.statusCode, { "content-type": answer.headers["content-type"] }).end(answer.body);
	};
	const server = createServer((request, response) => void ask(request, response));
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	return Object.assign(front, {
		url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		close: () =>
			new Promise<void>((resolve) => {
				server.close(() => resolve());
				server.closeAllConnections();
			}),
	});
}

async function sendFile(pathname: string, response: ServerResponse): Promise<void> {
	const isAsset = pathname.startsWith("/console/assets/");
	const file = path.join(BUILT_FOLDER, isAsset ? pathname.slice("/console/".length) : "index.html");
	const nonce = randomBytes(16).toString("base64");
	const type = TYPES[path.extname(file)] ?? "application/octet-stream";
	if (isAsset) return void response.writeHead(200, { "content-type": type, "cache-control": "public, max-age=31536000, immutable" }).end(await readFile(file));
	const page = (await readFile(file, "utf8")).replaceAll("__CSP_NONCE__", nonce);
	response.writeHead(200, { "content-type": "text/html; charset=utf-8", "content-security-policy": POLICY(nonce), "cache-control": "no-store" }).end(page);
}

async function readBody(request: IncomingMessage): Promise<string> {
	const chunks: Buffer[] = [];
	for await (const chunk of request) chunks.push(chunk as Buffer);
	return Buffer.concat(chunks).toString();
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
	response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}

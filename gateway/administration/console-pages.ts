import { randomBytes } from "node:crypto";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { CostControlError } from "#domain/errors/cost-control-error.ts";
import { ConsoleFiles } from "./console-files.ts";

const NONCE_PLACE = "__CSP_NONCE__";
const YEAR_SECONDS = 31_536_000;

const NOT_BUILT = `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Tollgate console</title></head>
<body><h1>The console is not built</h1><p>Build it with <code>npm run build:console</code>, then load this page again. The API and the gateway work without it.</p></body></html>
`;

/** The built console below /console/; paths that name no file are routes of the page. */
export function addConsolePages(app: FastifyInstance, folder: string): void {
	const files = new ConsoleFiles(folder);
	for (const path of ["/", "/console"]) app.get(path, async (_request, reply) => reply.redirect("/console/", 302));
	app.get("/console/assets/*", async (request, reply) => {
		if (await sendFile(files, request, reply)) return reply;
		throw new CostControlError("request.not_found", "The console has no such file. Load its page again: it was built anew.");
	});
	app.get("/console/*", async (request, reply) => ((await sendFile(files, request, reply)) ? reply : sendPage(files, reply)));
}

async function sendPage(files: ConsoleFiles, reply: FastifyReply): Promise<FastifyReply> {
	const nonce = randomBytes(16).toString("base64");
	const page = await files.page();
	reply.header("content-security-policy", contentSecurityPolicy(nonce)).header("cache-control", "no-store").type("text/html; charset=utf-8");
	if (page === undefined) return reply.code(503).send(NOT_BUILT);
	return reply.send(page.replaceAll(NONCE_PLACE, nonce));
}

/** The page itself is none: each answer of it has a nonce of its own. */
async function sendFile(files: ConsoleFiles, request: FastifyRequest, reply: FastifyReply): Promise<boolean> {
	const name = new URL(request.url, "http://console").pathname.slice("/console/".length);
	const file = name === "index.html" ? undefined : await files.file(name, request.headers["accept-encoding"]);
	if (file === undefined) return false;
	if (file.encoding !== undefined) reply.header("content-encoding", file.encoding);
	const cached = name.startsWith("assets/") ? `public, max-age=${YEAR_SECONDS}, immutable` : "no-cache";
	reply.header("vary", "accept-encoding").header("cache-control", cached).type(file.type).send(file.body);
	return true;
}

/** What a page of the console may load: its own files, and scripts and styles that carry this answer's nonce. Nobody may frame it. */
export function contentSecurityPolicy(nonce: string): string {
	return [
		"default-src 'none'",
		`script-src 'self' 'nonce-${nonce}'`,
		`style-src 'self' 'nonce-${nonce}'`,
		"img-src 'self' data:",
		"font-src 'self'",
		"connect-src 'self'",
		"frame-ancestors 'none'",
		"base-uri 'none'",
		"form-action 'self'",
	].join("; ");
}

/**
 * What every answer of this server says to a browser: take it for what it is, tell nobody where one came from, share no window with other sites. What is no
 * page of the console may do nothing where it is opened as one; a report, which is a page of ours in the same origin as a session, runs in a sandbox besides.
 */
export function addSecurityHeaders(app: FastifyInstance): void {
	app.addHook("onRequest", async (_request, reply) => {
		reply.header("x-content-type-options", "nosniff").header("referrer-policy", "no-referrer").header("cross-origin-opener-policy", "same-origin");
		reply
			.header("content-security-policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'")
			.header("cache-control", "no-store");
	});
}

export const REPORT_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

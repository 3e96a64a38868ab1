import { rm, writeFile } from "node:fs/promises";
import net from "node:net";
import path from "node:path";
import { brotliDecompressSync, gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openTestAdministration, type TestAdministration } from "#test/support/administration.ts";
import { writeConsole } from "#test/support/console.ts";
import { seedOwnedThings } from "#test/support/owned-things.ts";

let administration: TestAdministration;
let built: Awaited<ReturnType<typeof writeConsole>>;

beforeAll(async () => {
	built = await writeConsole();
	administration = await openTestAdministration({ consoleFolder: built.folder });
});
afterAll(async () => {
	await administration.close();
	await built.close();
});

const get = (url: string, headers: Record<string, string> = {}) => administration.app.inject({ url, headers });

describe("the console", () => {
	test("has a page for every route of its own, with a new nonce each time and nothing else that may run", async () => {
		const nonces = new Set<string>();
		for (const url of ["/console/", "/console/enter", "/console/explore?by=team", "/console/requests/a%2Fb", "/console/index.html"]) {
			const answer = await get(url);
			const policy = String(answer.headers["content-security-policy"]);
			const nonce = /script-src 'self' 'nonce-([^']+)'/.exec(policy)?.[1] ?? "";
			nonces.add(nonce);
			expect(answer.statusCode).toBe(200);
			expect(answer.body).toContain(`<script nonce="${nonce}"`);
			expect(answer.body).not.toContain("__CSP_NONCE__");
			expect(policy).toBe(
				`default-src 'none'; script-src 'self' 'nonce-${nonce}'; style-src 'self' 'nonce-${nonce}'; img-src 'self' data:; font-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'`,
			);
			expect(answer.headers).toMatchObject({
				"cache-control": "no-store",
				"x-content-type-options": "nosniff",
				"referrer-policy": "no-referrer",
				"cross-origin-opener-policy": "same-origin",
			});
		}
		expect(nonces.size).toBe(5);
	});

	test("is where / and /console lead", async () => {
		for (const url of ["/", "/console"]) expect((await get(url)).headers.location).toBe("/console/");
	});

	test("has files that are kept for a year and compressed, and no others", async () => {
		const plain = await get("/console/assets/main-1a2b.js");
		expect(plain.headers).toMatchObject({ "content-type": "text/javascript; charset=utf-8", "cache-control": "public, max-age=31536000, immutable" });
		const brotli = await get("/console/assets/main-1a2b.js", { "accept-encoding": "gzip, br" });
		expect(brotli.headers["content-encoding"]).toBe("br");
		expect(brotliDecompressSync(brotli.rawPayload).toString()).toBe(plain.body);
		const gzip = await get("/console/assets/main-1a2b.js", { "accept-encoding": "br;q=0, gzip;q=0.5" });
		expect(gzip.headers["content-encoding"]).toBe("gzip");
		expect(gunzipSync(gzip.rawPayload).toString()).toBe(plain.body);
		expect((await get("/console/favicon.svg")).headers["content-type"]).toBe("image/svg+xml");
		expect((await get("/console/assets/main-old.js")).json().error.code).toBe("request.not_found");
	});

	test("has no way out of its folder", async () => {
		const port = Number(new URL(await administration.app.listen({ host: "127.0.0.1", port: 0 })).port);
		for (const target of [
			"/console/../secret.txt",
			"/console/assets/../../secret.txt",
			"/console/%2e%2e/secret.txt",
			"/console/..%2fsecret.txt",
			"/console/..%5csecret.txt",
			"/console//etc/passwd",
		])
			expect(await rawGet(port, target), target).not.toContain("not of the console");
		expect(await rawGet(port, "/console/assets/main-1a2b.js")).toContain("tollgate tollgate");
	});

	test("is read again where it is built anew, and says how to build it where it is not", async () => {
		const page = path.join(built.folder, "index.html");
		await writeFile(path.join(built.folder, "assets", "main-9z.js"), "// anew");
		await writeFile(page, "<!doctype html>anew");
		expect((await get("/console/")).body).toContain("anew");
		expect((await get("/console/assets/main-9z.js")).body).toBe("// anew");
		await rm(page);
		const none = await get("/console/");
		expect([none.statusCode, none.body.includes("npm run build:console")]).toEqual([503, true]);
	});
});

describe("other answers", () => {
	test("do nothing where they are opened as a page, and are kept nowhere", async () => {
		for (const url of ["/admin/v1/openapi.json", "/admin/v1/teams", "/healthz", "/nothing"])
			expect((await get(url)).headers).toMatchObject({
				"content-security-policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
				"cache-control": "no-store",
				"x-content-type-options": "nosniff",
			});
	});

	test("of a report as a page run in a sandbox", async () => {
		const [things] = await seedOwnedThings(administration, ["alpha"]);
		const answer = await get(`/admin/v1/reports/${things?.reportId}?format=html`, { authorization: `Bearer ${administration.adminKey}` });
		expect([answer.statusCode, answer.headers["content-type"]]).toEqual([200, "text/html; charset=utf-8"]);
		expect(answer.headers["content-security-policy"]).toMatch(/^sandbox; default-src 'none'; style-src 'unsafe-inline'/);
	});
});

/** A target as it is, which `fetch` would tidy up. */
function rawGet(port: number, target: string): Promise<string> {
	return new Promise((resolve, reject) => {
		const socket = net.connect(port, "127.0.0.1", () => socket.write(`GET ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`));
		let text = "";
		socket.on("data", (data) => {
			text += data.toString("utf8");
		});
		socket.on("end", () => resolve(text));
		socket.on("error", reject);
	});
}

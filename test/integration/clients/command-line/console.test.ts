import { afterAll, beforeAll, expect, test } from "vitest";
import { SESSION_COOKIE } from "#gateway/administration/caller.ts";
import type { TestAdministration } from "#test/support/administration.ts";
import { openCommandLineHome, openTestTerminal } from "#test/support/command-line.ts";

let administration: TestAdministration;
let home: string;
let close: () => Promise<void>;
const { output, errors, run, runJson } = openTestTerminal(() => ({ TOLLGATE_HOME: home }));

beforeAll(async () => {
	({ administration, home, close } = await openCommandLineHome());
	await run("team create search --unlimited");
	await run("team create support --unlimited");
});
afterAll(() => close());

/** What the page of a link does. */
async function follow(url: string) {
	const { origin, pathname, hash } = new URL(url);
	expect(pathname).toBe("/console/enter");
	const answer = await fetch(`${origin}/admin/v1/session`, {
		method: "POST",
		headers: { "content-type": "application/json" },
		body: JSON.stringify({ link: hash.slice(1) }),
	});
	return {
		status: answer.status,
		body: (await answer.json()) as { readonly name?: string; readonly error?: { readonly code: string } },
		cookie: answer.headers.get("set-cookie") ?? "",
	};
}

test("a printed link opens one session of whoever made it", async () => {
	expect(await run("console")).toBe(0);
	const [, url = ""] = /^Opens a session of ada \(operator\), once, until .*:\n(\S+)$/.exec(output.join("\n")) ?? [];
	const { status, body, cookie } = await follow(url);
	expect([status, body.name, cookie.startsWith(`${SESSION_COOKIE}=`)]).toEqual([200, "ada", true]);
	expect((await follow(url)).body.error?.code).toBe("link.used");
});

test("a link and a key for somebody else have the rights they say", async () => {
	const { url } = await runJson("console --role team-owner --team search,support --name carol");
	expect((await follow(url)).body).toMatchObject({ name: "carol", role: "team-owner", teamIds: ["search", "support"] });
	await runJson("admin-key create dora --role team-owner --team search");
	expect(await run("admin-key list")).toBe(0);
	expect(output[0]).toMatch(/dora +team-owner +search /);
	expect(output[0]).toMatch(/ada +operator +all /);
});

test.each([
	["console --role root", "--role"],
	["console --role team-owner", "--team"],
	["console --role viewer --team search", "--team"],
	["console --name <b>", "--name"],
	["admin-key create x --role team-owner", "--team"],
])("%s is a mistake of usage that names its option", async (line, option) => {
	expect(await run(line)).toBe(2);
	expect(errors.join("\n")).toContain(option);
});

test("a team owner's key does what is his from the command line, and no more", async () => {
	const { key } = await runJson("admin-key create emil --role team-owner --team search");
	const admin = { adminKey: key, adminUrl: administration.app.listeningOrigin };
	const asEmil = async (path: string) => (await fetch(`${admin.adminUrl}/admin/v1${path}`, { headers: { authorization: `Bearer ${admin.adminKey}` } })).status;
	expect(await Promise.all(["/teams/search", "/teams/support", "/admin-keys"].map(asEmil))).toEqual([200, 403, 403]);
});

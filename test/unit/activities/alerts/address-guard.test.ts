import { type AddressInfo, createServer } from "node:net";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { checkChannelAddress, isPublicAddress } from "#activities/alerts/address-guard.ts";
import { createHttpClient } from "#activities/alerts/http.ts";
import { AddressRefused, NoAnswer } from "#activities/alerts/port.ts";
import { type ScriptedProvider, startScriptedProvider } from "#test/support/scripted-provider.ts";

const PUBLIC = "93.184.216.34";
let server: ScriptedProvider;
let port: string;

beforeAll(async () => {
	server = await startScriptedProvider(({ response }) => response.end("ok"));
	port = new URL(server.url).port;
});
beforeEach(() => {
	server.received.length = 0;
});
afterAll(() => server.close());

async function post(hostname: string, { answers, allowPrivate }: { answers: readonly (readonly string[])[]; allowPrivate: boolean }) {
	const asked: string[] = [];
	const http = createHttpClient({
		timeoutMs: 1_000,
		resolve: async (name) => {
			asked.push(name);
			return answers[Math.min(asked.length, answers.length) - 1] ?? [];
		},
	});
	const once = () => http.post({ url: `http://${hostname}:${port}/x`, headers: {}, body: "{}", allowPrivate }).catch((error: unknown) => error);
	const outcomes = [await once(), await once()];
	await http.close();
	return { outcomes, asked };
}

test.each([
	[PUBLIC, true],
	["2606:2800:220:1::1", true],
	["10.1.2.3", false],
	["172.31.255.255", false],
	["192.168.0.1", false],
	["127.8.8.8", false],
	["0.0.0.0", false],
	["169.254.169.254", false],
	["100.64.0.1", false],
	["224.0.0.1", false],
	["255.255.255.255", false],
	["198.18.0.1", false],
	["::1", false],
	["::", false],
	["::127.0.0.1", false],
	["::7f00:1", false],
	["4000::1", false],
	["::ffff:10.0.0.1", false],
	[`::ffff:${PUBLIC}`, true],
	["64:ff9b::a00:1", false],
	["2002:a00:1::", false],
	["fe80::1%eth0", false],
	["fd00:ec2::254", false],
	["ff02::1", false],
	["no address", false],
])("the address %s is everybody's, or not", (address, isPublic) => {
	expect(isPublicAddress(address)).toBe(isPublic);
});

describe("without leave, nothing is sent to a private address", () => {
	test.each(["127.0.0.1", "127.1", "0x7f000001", "2130706433", "[::ffff:127.0.0.1]"])("written as %s", async (hostname) => {
		const { outcomes, asked } = await post(hostname, { answers: [], allowPrivate: false });
		expect(outcomes.every((outcome) => outcome instanceof AddressRefused)).toBe(true);
		expect([asked, server.received]).toEqual([[], []]);
	});

	test("that a name leads to", async () => {
		const { outcomes } = await post("hooks.internal", { answers: [["127.0.0.1"]], allowPrivate: false });
		expect(outcomes.every((outcome) => outcome instanceof AddressRefused)).toBe(true);
		expect(server.received).toEqual([]);
	});

	test("that a name leads to beside a public one", async () => {
		const { outcomes } = await post("hooks.internal", { answers: [[PUBLIC, "127.0.0.1"]], allowPrivate: false });
		expect(outcomes.every((outcome) => outcome instanceof AddressRefused)).toBe(true);
	});

	test("that a name leads to only after it was judged: the address that was judged is the one connected to, and each connection is judged", async () => {
		const { outcomes, asked } = await post("rebinding.example", { answers: [[PUBLIC], ["127.0.0.1"]], allowPrivate: false });
		// The guard of the tests lets nothing out: the first try went for the public address.
		expect(outcomes[0]).toBeInstanceOf(NoAnswer);
		expect(outcomes[1]).toBeInstanceOf(AddressRefused);
		expect(asked).toEqual(["rebinding.example", "rebinding.example"]);
		expect(server.received).toEqual([]);
	});
});

describe("with leave", () => {
	test("a private address is delivered to, under the name it was given", async () => {
		const { outcomes } = await post("hooks.internal", { answers: [["127.0.0.1"]], allowPrivate: true });
		expect(outcomes).toMatchObject([{ status: 200, body: "ok" }, { status: 200 }]);
		expect(server.received.map(({ request }) => request.headers.host)).toEqual([`hooks.internal:${port}`, `hooks.internal:${port}`]);
	});

	test("the next address of a name is tried where one does not answer", async () => {
		const { outcomes } = await post("hooks.internal", { answers: [["::1", "127.0.0.1"]], allowPrivate: true });
		expect(outcomes[0]).toMatchObject({ status: 200 });
	});

	test("a certificate is asked for by the name, not by the address", async () => {
		const hello = Promise.withResolvers<string>();
		const silent = createServer((socket) =>
			socket.once("data", (bytes: Buffer) => {
				hello.resolve(bytes.toString("latin1"));
				socket.destroy();
			}),
		);
		await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
		const http = createHttpClient({ timeoutMs: 1_000, resolve: async () => ["127.0.0.1"] });
		const url = `https://hooks.internal:${(silent.address() as AddressInfo).port}/`;
		await expect(http.post({ url, headers: {}, body: "{}", allowPrivate: true })).rejects.toBeInstanceOf(NoAnswer);
		expect(await hello.promise).toContain("hooks.internal");
		await http.close();
		await new Promise((resolve) => silent.close(resolve));
	});
});

test("a name that nobody knows cannot have got anything", async () => {
	const http = createHttpClient({
		resolve: async () => {
			throw Object.assign(new Error("getaddrinfo ENOTFOUND hooks.example"), { code: "ENOTFOUND" });
		},
	});
	const outcome = await http.post({ url: "https://hooks.example/", headers: {}, body: "{}", allowPrivate: false }).catch((error: unknown) => error);
	await http.close();
	expect(outcome).toMatchObject({ name: "NoAnswer", message: "not reachable (ENOTFOUND)", mayHaveArrived: false });
});

test("a channel whose URL holds a private address is refused when it is set, in whatever way the address is written", () => {
	const set = (url: string, allowPrivate = false) => checkChannelAddress({ kind: "alertmanager", url, allowPrivate }, "channels.am");
	for (const url of ["https://10.0.0.1", "https://0x7f.1/", "https://[::1]:9093", "https://169.254.169.254/latest"])
		expect(set(url)).toMatchObject({ kind: "invalid", problems: [{ field: "channels.am.url" }] });
	expect(set("https://10.0.0.1", true).kind).toBe("valid");
	expect(set(`https://${PUBLIC}/`).kind).toBe("valid");
});

import { inspect } from "node:util";
import { gzipSync } from "node:zlib";
import { afterEach, describe, expect, test, vi } from "vitest";
import { openBatchProviders } from "#activities/batches/providers/open-providers.ts";
import type { BatchProvider } from "#activities/batches/providers/provider-port.ts";
import { openProviderWire, WIRE_TIMES, type WireTimes } from "#activities/batches/providers/provider-wire.ts";
import type { ProviderSettings } from "#config/providers.ts";
import type { ProviderBatchStatus } from "#domain/batching/batch-part.ts";
import type { Protocol } from "#domain/pricing/price-book.ts";
import { collect, messageBatch, openAiBatch, openOnWire, partOf, startBatchWire, WIRE_KEY, type WireCall, wireSettings } from "#test/support/batch-wire.ts";
import { findLeaks } from "#test/support/canaries.ts";

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
	vi.unstubAllEnvs();
	vi.restoreAllMocks();
	for (const one of open.splice(0).reverse()) await one.close();
});

type Given = { readonly protocol: Protocol; readonly settings?: Partial<ProviderSettings>; readonly times?: Partial<WireTimes> };

async function start(answer: (call: WireCall) => void | Promise<void>, { protocol, settings = {}, times = {} }: Given) {
	const wire = await startBatchWire(answer);
	const { provider, providers } = openOnWire(wireSettings(protocol, wire.url, settings), times);
	open.push(wire, providers);
	return { wire, provider };
}

const BATCH = { openai: openAiBatch(), anthropic: messageBatch() };
const PROTOCOLS = ["openai", "anthropic"] as const;
const ENDED: ProviderBatchStatus = {
	providerBatchId: "b",
	state: "ended",
	total: 1,
	succeeded: 1,
	failed: 0,
	problems: [],
	createdAtMs: 0,
	expiresAtMs: null,
	outputFileId: "f",
	errorFileId: null,
	resultsUrl: "at the base URL",
};

/** Everything a provider can be asked; each once. */
function askAll(provider: BatchProvider): Promise<unknown>[] {
	const part = { ...partOf([`{"custom_id":"x"}`]), providerFileId: "file-in" };
	return [
		provider.upload({ ...part, providerFileId: null }),
		provider.create(part),
		provider.find(part, { sinceMs: 0, isOthers: () => false }),
		provider.poll("b"),
		provider.cancel("b"),
		collect(provider.results(ENDED)),
		provider.forget({ providerFileId: "file-in", status: ENDED }),
	];
}

describe("the key", () => {
	test.each([
		["openai", "authorization", `Bearer ${WIRE_KEY}`],
		["openai", "api-key", WIRE_KEY],
		["anthropic", "x-api-key", WIRE_KEY],
		["anthropic", "authorization", `Bearer ${WIRE_KEY}`],
	] as const)("travels to %s in %s alone", async (protocol, credentialHeader, value) => {
		const { wire, provider } = await start((call) => call.json(200, BATCH[protocol]), { protocol, settings: { credentialHeader } });
		await provider.poll("b");
		const { headers } = wire.calls[0] as WireCall;
		expect([headers.authorization, headers["x-api-key"], headers["api-key"]].filter(Boolean)).toEqual([value]);
		expect(headers[credentialHeader]).toBe(value);
	});

	test.each(PROTOCOLS)("is not made up for a provider of %s that needs none", async (protocol) => {
		const { wire, provider } = await start((call) => call.json(200, BATCH[protocol]), { protocol, settings: { key: undefined } });
		await provider.poll("b");
		const { headers } = wire.calls[0] as WireCall;
		expect([headers.authorization, headers["x-api-key"], headers["api-key"]]).toEqual([undefined, undefined, undefined]);
	});

	test("is sent to its own host alone", async () => {
		const wire = await startBatchWire((call) => call.json(200, {}));
		const other = await startBatchWire((call) => call.json(200, {}));
		const own = openProviderWire(wireSettings("openai", wire.url), WIRE_TIMES);
		open.push(wire, other, own);
		expect((await own.fetch(`${wire.url}/v1/batches`)).status).toBe(200);
		await expect(own.fetch(`${other.url}/v1/batches`)).rejects.toThrow(/the key of openai is not for/);
		expect(other.calls).toEqual([]);
	});

	test.each(PROTOCOLS.flatMap((protocol) => [200, 302, 400, 401, 403, 404, 409, 429, 500, 503, 529].map((status) => [protocol, status] as const)))(
		"is in no error and no result of %s that repeats it with %i",
		async (protocol, status) => {
			const printed = (["log", "info", "warn", "error", "debug"] as const).map((name) => vi.spyOn(console, name));
			const { provider } = await start(
				async (call) => {
					await call.text();
					const says = {
						message: `the key ${WIRE_KEY}`,
						type: WIRE_KEY,
						code: WIRE_KEY,
						param: encodeURIComponent(WIRE_KEY),
						details: { error_code: WIRE_KEY },
					};
					const headers = { "x-request-id": WIRE_KEY, "request-id": WIRE_KEY, location: `/${encodeURIComponent(WIRE_KEY)}`, "retry-after": WIRE_KEY };
					call.json(status, { error: says, headers: call.headers, custom_id: WIRE_KEY }, headers);
				},
				{ protocol },
			);
			const outcomes = await Promise.allSettled(askAll(provider));
			if (status !== 200) expect(outcomes.map((outcome) => outcome.status)).toContain("rejected");
			const content = inspect(outcomes, { depth: 12, showHidden: true }) + JSON.stringify(outcomes);
			expect(findLeaks([{ name: "the key", secret: WIRE_KEY }], [{ name: "outcomes", content }])).toEqual([]);
			for (const spy of printed) expect(spy).not.toHaveBeenCalled();
		},
	);

	test("is taken out of results, in whatever pieces they arrive", async () => {
		const line = `{"custom_id":"x","response":{"status_code":200,"body":{"said":"${WIRE_KEY}"}},"error":null}\n`;
		const { provider } = await start(
			(call) => {
				call.response.writeHead(200);
				for (let at = 0; at < line.length; at += 5) call.response.write(line.slice(at, at + 5));
				call.response.end();
			},
			{ protocol: "openai" },
		);
		expect(await collect(provider.results(ENDED))).toMatchObject([{ result: { body: `{"said":"[redacted]"}` } }]);
	});
});

describe("a request", () => {
	test.each(PROTOCOLS)("to %s heeds the table and nothing of the environment", async (protocol) => {
		for (const name of ["OPENAI_BASE_URL", "ANTHROPIC_BASE_URL"]) vi.stubEnv(name, "http://127.0.0.1:9/elsewhere");
		for (const name of ["OPENAI_CUSTOM_HEADERS", "ANTHROPIC_CUSTOM_HEADERS"])
			vi.stubEnv(name, "x-from-environment: 1\nauthorization: Bearer other\ncookie: a=b");
		for (const name of ["OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_API_KEY", "OPENAI_ADMIN_KEY", "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"])
			vi.stubEnv(name, "from-environment");
		for (const name of ["OPENAI_LOG", "ANTHROPIC_LOG"]) vi.stubEnv(name, "debug");
		const printed = (["log", "info", "warn", "error", "debug"] as const).map((name) => vi.spyOn(console, name));
		const { wire, provider } = await start((call) => call.json(200, BATCH[protocol]), { protocol, settings: { query: { "api-version": "2026-10-01" } } });
		await provider.poll("b");
		expect(wire.calls[0]?.query).toEqual({ "api-version": "2026-10-01" });
		expect(JSON.stringify(wire.calls[0]?.headers)).not.toMatch(/environment|other|cookie/);
		for (const spy of printed) expect(spy).not.toHaveBeenCalled();
	});

	test("goes to the place of batches, where that is another one than that of calls", async () => {
		const wire = await startBatchWire((call) => call.json(200, openAiBatch()));
		const settings = wireSettings("openai", wire.url, { baseUrl: `${wire.url}/openai/deployments/{model}`, credentialHeader: "api-key" });
		const { limits } = settings.batches as NonNullable<ProviderSettings["batches"]>;
		const { provider, providers } = openOnWire({ ...settings, batches: { baseUrl: `${wire.url}/openai/v1`, limits } });
		open.push(wire, providers);
		await provider.poll("b");
		expect(wire.asked()).toEqual(["GET /openai/v1/batches/b"]);
		expect(wire.calls[0]?.headers["api-key"]).toBe(WIRE_KEY);
	});

	test.each([301, 302, 303, 307, 308])("is not sent on by a redirect (%i)", async (status) => {
		const other = await startBatchWire((call) => call.json(200, openAiBatch()));
		open.push(other);
		const { wire, provider } = await start((call) => void call.response.writeHead(status, { location: `${other.url}/v1/batches/b` }).end(), {
			protocol: "openai",
		});
		await expect(provider.poll("b")).rejects.toMatchObject({ code: "provider.refused", details: { status } });
		expect(wire.calls).toHaveLength(1);
		expect(other.calls).toEqual([]);
	});

	test.each(PROTOCOLS)("to %s is sent once, however it fails", async (protocol) => {
		for (const answer of [
			(call: WireCall) => call.json(500, {}),
			(call: WireCall) => call.json(409, {}),
			(call: WireCall) => call.json(429, {}, { "x-should-retry": "true", "retry-after-ms": "1" }),
			(call: WireCall) => void call.response.destroy(),
		]) {
			const { wire, provider } = await start(answer, { protocol });
			await expect(provider.poll("b")).rejects.toThrow();
			expect(wire.calls).toHaveLength(1);
		}
	});
});

describe("an answer", () => {
	test.each(PROTOCOLS)("that does not come, or not to its end, is given up at the deadline: %s", async (protocol) => {
		const answers = [
			() => undefined,
			(call: WireCall) => void call.response.writeHead(200, { "content-type": "application/json" }).write(`{"id":`),
			(call: WireCall) => void call.response.writeHead(500, { "content-type": "application/json" }).write(`{"error":`),
		];
		for (const answer of answers) {
			const { provider } = await start(answer, { protocol, times: { callMs: 300 } });
			await expect(provider.poll("b")).rejects.toMatchObject({ code: "provider.unreachable" });
		}
	});

	test("of results is given up at a deadline of its own", async () => {
		const { provider } = await start((call) => void call.response.writeHead(200).write(`{"custom_id":`), { protocol: "openai", times: { resultsMs: 300 } });
		await expect(collect(provider.results(ENDED))).rejects.toMatchObject({ code: "provider.unreachable" });
	});

	test.each(PROTOCOLS)("without an end is not read to it: %s", async (protocol) => {
		for (const status of [200, 500]) {
			let written = 0;
			const { provider } = await start(
				(call) => {
					call.response.writeHead(status, { "content-type": "application/json" });
					const piece = Buffer.alloc(262_144, " ");
					const write = (): void => {
						while (!call.response.destroyed) {
							written += piece.length;
							if (!call.response.write(piece)) return void call.response.once("drain", write);
						}
					};
					write();
				},
				{ protocol },
			);
			await expect(provider.poll("b")).rejects.toMatchObject({ code: "provider.unreachable" });
			expect(written).toBeLessThan(64_000_000);
		}
	});

	test("may be compressed", async () => {
		const { provider } = await start(
			(call) =>
				void call.response.writeHead(200, { "content-type": "application/json", "content-encoding": "gzip" }).end(gzipSync(JSON.stringify(openAiBatch()))),
			{ protocol: "openai" },
		);
		expect(await provider.poll("b")).toMatchObject({ state: "running" });
	});

	test("nobody gives is told by its reason", async () => {
		const wire = await startBatchWire(() => undefined);
		await wire.close();
		const { provider, providers } = openOnWire(wireSettings("openai", wire.url));
		open.push(providers);
		await expect(provider.poll("b")).rejects.toMatchObject({
			code: "provider.unreachable",
			details: { reason: "ECONNREFUSED", asked: "poll", provider: "openai" },
		});
	});
});

test("of a table those providers are there that run batches, each under its name and with its limits", async () => {
	const settings = wireSettings("openai", "http://127.0.0.1:9");
	const { limits } = settings.batches as NonNullable<ProviderSettings["batches"]>;
	const providers = openBatchProviders([
		{ ...settings, name: "none", batches: undefined },
		{ ...settings, name: "few", batches: { baseUrl: settings.baseUrl, limits: { ...limits, itemsMax: 7 } } },
		wireSettings("anthropic", "http://127.0.0.1:9"),
	]);
	open.push(providers);
	expect([providers.find("none"), providers.find("unheard")]).toEqual([undefined, undefined]);
	expect([providers.find("few")?.limits.itemsMax, providers.find("anthropic")?.limits.itemsMax]).toEqual([7, 100_000]);
});

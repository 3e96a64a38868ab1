import { writeFileSync } from "node:fs";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withClient } from "#test/support/authority-rows.ts";
import { findLeaks } from "#test/support/canaries.ts";
import { ECHO_MODES, type EchoMode } from "#test/support/echoing-provider.ts";
import { openSecretSystem, type SecretSystem } from "#test/support/secret-system.ts";
import { tollgate } from "#test/support/system.ts";
import { until } from "#test/support/until.ts";

/**
 * Canary keys of every kind through every error that can be forced; then logs, answers, errors, journals, tables, metrics
 * and what Temporal keeps are searched: no provider key, virtual key, admin key or database password stands in any of
 * them, in no encoding and not by either end.
 */

let secrets: SecretSystem;
let key: string;
let patient: string;

beforeAll(async () => {
	secrets = await openSecretSystem();
	await command("team", "create", "canaries", "--limit", "100", "--window", "day");
	await command("team", "create", "short", "--limit", "100", "--window", "day", "--policy", '{"maxCallMs":700,"onDisconnect":"cancel"}');
	key = await secrets.createKey("a virtual key", ["key", "create", "--team", "canaries", "--may-assert", "user"]);
	patient = await secrets.createKey("a virtual key of short calls", ["key", "create", "--team", "short"]);
}, 300_000);
afterAll(() => secrets?.close());

async function command(...args: string[]): Promise<number | null> {
	const result = await tollgate(secrets.system, args);
	secrets.told.push({ name: `tollgate ${args.join(" ")}`, content: `${result.stdout}${result.stderr}` });
	return result.exitCode;
}

type Sent = { readonly path?: string; readonly headers?: Record<string, string>; readonly body?: string };

/** Sends it and keeps all that comes back; the status is 0 when the connection broke. */
async function send(origin: string, { path: at = "/v1/chat/completions", headers = {}, body }: Sent, method = "POST"): Promise<number> {
	let content: string;
	let status = 0;
	try {
		const response = await fetch(`${origin}${at}`, {
			method,
			redirect: "manual",
			headers: { "content-type": "application/json", connection: "close", ...headers },
			...(body !== undefined && { body }),
		});
		status = response.status;
		content = JSON.stringify([...response.headers]);
		content += await response.text();
	} catch (error) {
		content = String(error);
	}
	secrets.told.push({ name: `answer to ${method} ${at} ${body?.slice(0, 120) ?? ""}`, content });
	return status;
}

const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });

function callBody(mode: EchoMode, protocol: "openai" | "anthropic"): string {
	const isStream = mode.includes("stream");
	const model = protocol === "openai" ? "gpt-4o" : "claude-sonnet-4-5";
	return JSON.stringify({ model, max_tokens: 20, stream: isStream, messages: [{ role: "user", content: `[[mode:${mode}]]` }] });
}

function call(secret: string, mode: EchoMode, protocol: "openai" | "anthropic" = "openai"): Promise<number> {
	const at = protocol === "openai" ? "/v1/chat/completions" : "/v1/messages";
	return send(secrets.system.endpoints().gateway, { path: at, headers: bearer(secret), body: callBody(mode, protocol) });
}

test("the search finds a planted canary in every form", () => {
	const { canaries } = secrets;
	for (const { secret } of canaries) {
		const forms = [
			secret,
			JSON.stringify({ secret }),
			encodeURIComponent(secret),
			Buffer.from(`Bearer ${secret}`).toString("base64"),
			`${secret.slice(0, 12)}…`,
		];
		for (const content of forms) expect(findLeaks(canaries, [{ name: "planted", content }])).toHaveLength(1);
	}
});

describe("errors of the provider", () => {
	test.each(ECHO_MODES)("%s, on both protocols", async (mode) => {
		const received = secrets.provider.received.length;
		await Promise.all([call(patient, mode), call(patient, mode, "anthropic")]);
		expect(secrets.provider.received.length).toBe(received + 2);
		expect(await secrets.leaks()).toEqual([]);
	});
});

describe("errors of the caller", () => {
	test("wrong, misplaced and unknown keys, broken bodies and paths, on the gateway and the administration API", async () => {
		const { gateway, admin } = secrets.system.endpoints();
		const wrong = { name: "a wrong key", secret: `tg-${"Wr0ngKey".repeat(5)}` };
		const adminKey = secrets.canaries.find(({ name }) => name === "the first admin key")?.secret ?? "";
		secrets.canaries.push(wrong);
		const good = callBody("answer", "openai");
		const attempts: Sent[] = [
			{ headers: bearer(wrong.secret), body: good },
			{ headers: { authorization: `Basic ${Buffer.from(`x:${key}`).toString("base64")}` }, body: good },
			{ headers: { ...bearer(key), "x-api-key": wrong.secret }, body: good },
			{ headers: bearer(adminKey), body: good },
			{ headers: bearer(key), body: "{" },
			{ headers: bearer(key), body: `{"model":"gpt-4o","model":"x"}` },
			{ headers: { ...bearer(key), "x-tollgate-user": "é" }, body: good },
			{ headers: { ...bearer(key), "idempotency-key": "" }, body: good },
			{ headers: { ...bearer(key), "x-tollgate-feature": "not mine to say" }, body: good },
			{ headers: bearer(key), path: `/v1/chat/completions?key=${key}`, body: good },
			{ headers: bearer(key), path: `/v1/nowhere?key=${key}`, body: good },
			{ headers: bearer(key), path: "/v1/%zz", body: good },
		];
		for (const sent of attempts) expect(await send(gateway, sent)).toBeGreaterThanOrEqual(400);
		const administrative: Sent[] = [
			{ path: "/admin/v1/teams", headers: bearer(wrong.secret), body: "{}" },
			{ path: "/admin/v1/teams", headers: bearer(key), body: "{}" },
			{ path: "/admin/v1/teams", headers: bearer(adminKey), body: "{" },
			{ path: "/admin/v1/teams", headers: bearer(adminKey), body: '{"id":"Not An Id"}' },
			{ path: `/admin/v1/nowhere?key=${adminKey}`, headers: bearer(adminKey), body: "{}" },
			{ path: "/admin/v1/keys", headers: bearer(adminKey), body: '{"teamId":"nobody"}' },
			{ path: "/admin/v1/keys/key_0000000000000000/rotate", headers: bearer(adminKey), body: "{}" },
		];
		for (const sent of administrative) expect(await send(admin, sent)).toBeGreaterThanOrEqual(400);
		expect(await secrets.leaks()).toEqual([]);
	});

	test("keys made, rotated, revoked and derived; stored answers", async () => {
		const { gateway } = secrets.system.endpoints();
		const spare = await secrets.createKey("a key that is revoked", ["key", "create", "--team", "canaries"]);
		const id = await withClient(secrets.database.url, async (client) => {
			const { rows } = await client.query<{ id: string }>("SELECT id FROM tollgate.virtual_key ORDER BY created_at DESC LIMIT 1");
			return rows[0]?.id ?? "";
		});
		const successor = await secrets.createKey("a rotated key", ["key", "rotate", id]);
		expect(await command("key", "revoke", id)).toBe(0);
		await secrets.createKey("another admin key", ["admin-key", "create", "second"]);
		expect(await call(spare, "answer")).toBe(401);
		const headers = { ...bearer(successor), "idempotency-key": "once" };
		for (const expected of [200, 200]) expect(await send(gateway, { headers, body: callBody("answer", "openai") })).toBe(expected);
		for (const shown of [
			["key", "list"],
			["admin-key", "list"],
			["price", "show", "--model", "gpt-4o"],
			["lease", "list"],
			["spend", "--by", "key"],
		])
			await command(...shown);
		expect(await secrets.leaks()).toEqual([]);
	});
});

test("wrong configuration: every process says what is wrong and not what the secret is", async () => {
	const { system, databaseUrl, canaries } = secrets;
	const [password, providerKey] = [canaries[0]?.secret ?? "", canaries[1]?.secret ?? ""];
	const broken = path.join(system.home, "..", `${path.basename(system.home)}-providers.json`);
	writeFileSync(broken, `{"providers":{"openai":{"protocol":"openai","baseUrl":"https://x","key":"${providerKey}"}}`);
	const inline = `${broken}.inline`;
	writeFileSync(inline, JSON.stringify({ providers: { openai: { protocol: "openai", baseUrl: `https://${providerKey}@host/v1`, keyEnv: providerKey } } }));
	const malformed = [`postgres://u:${password}@127.0.0.1:port/x`, `postgres://u:${password}@[::1/x`, `postgre://u:${password}@127.0.0.1/x`];
	const wrongPassword = databaseUrl.replace(encodeURIComponent(password), encodeURIComponent(`${password}-or-not`));
	const mistakes: Record<string, string>[] = [
		...[...malformed, wrongPassword, databaseUrl.replace(/\/[^/]*$/, "/no_such_database")].map((url) => ({ DATABASE_URL: url })),
		{ DATABASE_URL: databaseUrl, OPENAI_API_KEY_FILE: providerKey },
		{ DATABASE_URL: databaseUrl, OPENAI_API_KEY: providerKey, OPENAI_API_KEY_FILE: "/nowhere" },
		{ DATABASE_URL: databaseUrl, TOLLGATE_OPENAI_BASE_URL: `https://user:${encodeURIComponent(providerKey)}@host/v1/` },
		{ DATABASE_URL: databaseUrl, TOLLGATE_PROVIDERS_FILE: broken },
		{ DATABASE_URL: databaseUrl, TOLLGATE_PROVIDERS_FILE: inline },
	];
	for (const mistake of mistakes) await secrets.failToRun("gateway/main.ts", { TOLLGATE_GATEWAY_ID: "mistaken", ...mistake });
	for (const url of [...malformed, wrongPassword]) {
		await secrets.failToRun("scripts/migrate.ts", { DATABASE_URL: url });
		await secrets.failToRun("scripts/start.ts", { DATABASE_URL: url, TOLLGATE_HOME: `${system.home}-second` });
	}
	expect(await secrets.leaks()).toEqual([]);
}, 120_000);

describe("errors of the system", () => {
	test("rows that the ledger rejects: quarantine", async () => {
		const poison = await secrets.createKey("the key of rejected rows", ["key", "create", "--team", "canaries", "--feature", "poison"]);
		await withClient(secrets.database.url, (client) =>
			client.query("ALTER TABLE tollgate.attempt ADD CONSTRAINT no_poison CHECK (feature IS DISTINCT FROM 'poison' OR outcome <> 'settled') NOT VALID"),
		);
		expect(await call(poison, "answer")).toBe(200);
		await until("the row in quarantine", () =>
			withClient(secrets.database.url, async (client) => (await client.query("SELECT FROM tollgate.quarantine")).rowCount === 1),
		);
		expect(await secrets.leaks()).toEqual([]);
	});

	test("PostgreSQL away and back: gateways, worker and command line say so; journals hold what waits", async () => {
		expect(await call(key, "answer")).toBe(200);
		await secrets.proxy.cut();
		const statuses = [await call(key, "answer"), await call(key, "status 500"), await call(`${key}x`, "answer")];
		expect(statuses[2]).toBe(503);
		expect(await command("team", "list")).not.toBe(0);
		expect(await command("verify", "--json")).not.toBe(0);
		expect(await secrets.leaks()).toEqual([]);
		await secrets.proxy.restore();
		await until("the administration to answer", async () => (await command("team", "list")) === 0, 30_000);
		expect(await secrets.leaks()).toEqual([]);
	}, 90_000);

	test("processes that crash or are killed, Temporal among them, and the journals they leave", async () => {
		const { system } = secrets;
		const { pids } = system.endpoints();
		const calls = Array.from({ length: 40 }, () => call(key, "answer"));
		// The first goes on: a port that nobody holds could be anybody's by the time of the next start.
		for (const pid of [pids.gateways[1], pids.temporal]) process.kill(pid ?? expect.fail("a process to kill"), "SIGKILL");
		await Promise.allSettled(calls);
		expect(await secrets.leaks()).toEqual([]);
		await until(
			"the second gateway to be back",
			() => system.endpoints().pids.gateways[1] !== pids.gateways[1] && system.endpoints().pids.gateways[1] !== null,
		);
		await expect.poll(() => call(key, "answer"), { timeout: 30_000 }).toBe(200);
		for (const origin of [system.endpoints().gateway, system.endpoints().admin]) await send(origin, { path: "/metrics" }, "GET");
		for (const at of ["/healthz", "/readyz"]) await send(system.endpoints().gateway, { path: at }, "GET");
		expect(await secrets.leaks()).toEqual([]);
		const names = (await secrets.sources()).map(({ name }) => name).join("\n");
		for (const searched of ["journal/", "logs/", "table tollgate.attempt", "table tollgate.refusal", "table tollgate.answer", "GET /metrics"])
			expect(names).toContain(searched);
	}, 120_000);
});

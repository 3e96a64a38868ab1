import type { AddressInfo } from "node:net";
import path from "node:path";
import pg from "pg";
import { pino } from "pino";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { createModelTransport } from "#activities/providers/call-model.ts";
import { createDeploymentCatalog } from "#activities/providers/deployments.ts";
import { createProviderKeys } from "#activities/providers/provider-keys.ts";
import { loadFieldTables } from "#config/request-fields/load.ts";
import { createGateway, type Gateway } from "#gateway/gateway.ts";
import { openRequestAuthority } from "#gateway/open-request-authority.ts";
import { DEFAULT_SERVER_LIMITS } from "#gateway/server-options.ts";
import { withClient } from "#test/support/authority-rows.ts";
import { type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { simulatedProviderTable } from "#test/support/gateway-server.ts";

/** What a caller wrote reaches PostgreSQL as a value only: the text of every statement is ours, and there are few of them. */

const MARK = "zq'); DROP TABLE tollgate.entry; --qz";

let stand: GatewayStand;
let gateway: Gateway;
const log: string[] = [];
const statements = new Set<string>();
beforeAll(async () => {
	stand = await openGatewayStand();
	// The original is called with its own `this`: only the text is looked at.
	const original = pg.Client.prototype.query;
	vi.spyOn(pg.Client.prototype, "query").mockImplementation(function (this: pg.Client, ...given: unknown[]) {
		const [first] = given;
		statements.add(typeof first === "string" ? first : String((first as { text?: unknown }).text));
		return Reflect.apply(original, this, given);
	} as never);
	const table = simulatedProviderTable(stand.provider.url);
	const logger = pino({ level: "debug" }, { write: (line: string) => void log.push(line) });
	const opened = await openRequestAuthority({
		databaseUrl: stand.database.url,
		gatewayId: "sql",
		journalFolder: path.join(stand.home, "journal"),
		idempotencyKeyFile: path.join(stand.home, "idempotency-key"),
		fsyncMode: "off",
		log: logger,
		crashPoint: () => undefined,
		onFenced: () => undefined,
	});
	gateway = createGateway({
		authority: opened.authority,
		idempotentCalls: opened.idempotentCalls,
		steps: opened.runs,
		catalog: createDeploymentCatalog(table),
		transport: createModelTransport({ keys: createProviderKeys(table.providers) }),
		fieldTables: loadFieldTables(),
		log: logger,
		limits: DEFAULT_SERVER_LIMITS,
		pendingLedgerRows: () => opened.writer.pendingRows,
	});
	await gateway.server.listen({ host: "127.0.0.1", port: 0 });
});
afterAll(async () => {
	await gateway?.drain(5_000);
	vi.restoreAllMocks();
	await stand?.close();
});

test("bodies, headers, keys and ids that carry SQL stand in no statement and in no log line", async () => {
	const { key, teamId } = await stand.team(100_000_000_000n);
	await withClient(stand.database.url, (client) => client.query("UPDATE tollgate.virtual_key SET may_assert = '{user,feature}' WHERE team_id = $1", [teamId]));
	const url = `http://127.0.0.1:${(gateway.server.server.address() as AddressInfo).port}`;
	const send = async (at: string, body: unknown, headers: Record<string, string> = {}): Promise<number> => {
		const response = await fetch(`${url}${at}`, {
			method: "POST",
			headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
			body: JSON.stringify(body),
		});
		await response.arrayBuffer();
		return response.status;
	};
	const messages = [{ role: "user", content: MARK }];
	const chat = { model: "gpt-4o", max_tokens: 9, messages };
	expect(await send("/v1/chat/completions", { ...chat, user: MARK, metadata: { [MARK]: MARK } })).toBe(200);
	expect(await send("/v1/chat/completions", chat, { "idempotency-key": MARK.replaceAll(" ", "") })).toBe(200);
	expect(await send("/v1/chat/completions", chat, { "x-tollgate-user": MARK, "x-tollgate-feature": MARK })).toBe(200);
	expect(await send("/v1/chat/completions", chat, { authorization: `Bearer tg-${MARK.replaceAll(" ", "")}` })).toBe(401);
	expect(await send("/v1/chat/completions", { ...chat, model: MARK })).toBe(422);
	expect(await send("/v1/responses", { model: "gpt-4o", max_output_tokens: 20, input: MARK, previous_response_id: "resp_zq');DROP" })).toBe(422);
	expect(
		await send("/v1/messages", { model: "claude-opus-4-5", max_tokens: 9, messages, metadata: { user_id: MARK } }, { "anthropic-version": "2023-06-01" }),
	).toBe(200);
	const { report } = await stand.verify();
	expect(report).toMatchObject({ ok: true, lost: 0 });

	const ours = [...statements].filter((text) => text.includes("tollgate."));
	expect(ours.length).toBeGreaterThan(5);
	expect([...statements].filter((text) => text.includes("zq"))).toEqual([]);
	expect(log.filter((line) => line.includes("zq"))).toEqual([]);
});

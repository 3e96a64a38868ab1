import path from "node:path";
import type { RequestAuthority } from "#activities/request/port.ts";
import { openRequestAuthority } from "#gateway/open-request-authority.ts";
import type { FleetAnswer, FleetCall, FleetOrder } from "./fleet.ts";
import { testBound, testCall } from "./request-authority.ts";

/**
 * Several gateways in one process, request layer, journal and ledger writer as in production, without their HTTP skin.
 * Orders come over IPC (test/support/fleet.ts). Arguments: name, number of gateways, database URL, folder.
 */
const [, , name = "", count = "", databaseUrl = "", folder = ""] = process.argv;
const problems: string[] = [];
const note = (detail: unknown, message?: string) => void problems.push(`${message ?? ""} ${describe(detail)}`);
const gateways: RequestAuthority[] = [];
for (let index = 0; index < Number(count); index++) {
	const { authority } = await openRequestAuthority({
		databaseUrl,
		gatewayId: `${name}${index}`,
		journalFolder: path.join(folder, "journals"),
		idempotencyKeyFile: path.join(folder, `${name}.key`),
		fsyncMode: "off",
		log: { info: () => undefined, warn: () => undefined, error: note },
		crashPoint: () => undefined,
		onFenced: () => note("fenced"),
	});
	gateways.push(authority);
}

/** Reserves, and settles at once at `cost`. */
async function call({ gateway, secret, nanoUsd, costNanoUsd }: FleetCall): Promise<FleetAnswer> {
	const authority = gateways[gateway];
	if (!authority) throw new Error(`no gateway ${gateway}`);
	const key = await authority.resolveKey(secret);
	if (key.kind === "refused") throw new Error(key.message);
	const admission = await authority.admit(testCall(key.key, testBound(BigInt(nanoUsd))));
	if (admission.kind === "refused")
		return {
			kind: "refused",
			code: admission.refusal.code,
			held: String(admission.refusal.heldAmount ?? 0n),
			left: String(admission.refusal.leftAmount ?? 0n),
		};
	const usage = { inputTokens: costNanoUsd, cachedInputTokens: 0, cacheWrite5mTokens: 0, cacheWrite1hTokens: 0, outputTokens: 0, reasoningTokens: 0 };
	admission.attempt.settle({
		reported: { kind: "usable", usage, model: undefined, serviceTier: undefined },
		providerRequestId: null,
		httpStatus: 200,
		durationMs: 1,
	});
	return { kind: "served" };
}

async function carryOut(order: FleetOrder): Promise<unknown> {
	if (order.kind === "calls") return Promise.all(order.calls.map(call));
	await Promise.all(gateways.map((gateway) => gateway.drain(5_000)));
	return problems;
}

function describe(detail: unknown): string {
	return detail instanceof Error ? (detail.stack ?? detail.message) : JSON.stringify(detail);
}

process.on("message", (order: FleetOrder) => {
	carryOut(order).then(
		(value) => process.send?.({ id: order.id, value }),
		(error: unknown) => process.send?.({ id: order.id, error: describe(error) }),
	);
});
process.send?.({ id: "ready" });

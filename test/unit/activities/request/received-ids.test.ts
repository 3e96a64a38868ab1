import { expect, test } from "vitest";
import { ReceivedIds } from "#activities/request/received-ids.ts";
import { CostControlError } from "#domain/errors/cost-control-error.ts";

function receivedOver(isReceived: (id: string, teamId: string, ask: number) => boolean): {
	received: ReceivedIds;
	counters: { sqlRoundTripsBeforeSend: number };
} {
	const counters = { sqlRoundTripsBeforeSend: 0 };
	const lookUp = async (teamId: string, ids: readonly string[]) => ids.filter((id) => isReceived(id, teamId, counters.sqlRoundTripsBeforeSend));
	return { counters, received: new ReceivedIds({ lookUp, counters, nowMs: () => performance.now() }) };
}

test("what this gateway gave out recently is known at once, and to its team alone", async () => {
	const { received, counters } = receivedOver(() => false);
	received.remember("blue", "resp_1");
	expect(received.findUnknown("blue", ["resp_1"])).toBeUndefined();
	expect(counters.sqlRoundTripsBeforeSend).toBe(0);
	expect(await received.findUnknown("red", ["resp_1"])).toBe("resp_1");
});

test("what other gateways gave out costs one look-up for all of it, once", async () => {
	const { received, counters } = receivedOver((id, teamId) => id !== "msg_9" && teamId === "blue");
	received.remember("blue", "msg_1");
	const ids = ["msg_1", "msg_2", "msg_3", "msg_2"];
	expect(await received.findUnknown("blue", ids)).toBeUndefined();
	expect(received.findUnknown("blue", ids)).toBeUndefined();
	expect(counters.sqlRoundTripsBeforeSend).toBe(1);
	expect(await received.findUnknown("blue", [...ids, "msg_9"])).toBe("msg_9");
});

test("what is on its way to the ledger is waited for, an id of nobody only so long", async () => {
	const late = receivedOver((_id, _teamId, ask) => ask >= 3);
	expect(await late.received.findUnknown("blue", ["resp_3"])).toBeUndefined();
	const never = receivedOver(() => false);
	expect(await never.received.findUnknown("blue", ["resp_4"])).toBe("resp_4");
	expect(never.counters.sqlRoundTripsBeforeSend).toBeGreaterThan(1);
});

test("the oldest are forgotten first, and then looked up again", async () => {
	const { received, counters } = receivedOver(() => true);
	for (let index = 0; index <= 50_000; index += 1) received.remember("blue", `resp_${index}`);
	expect(received.findUnknown("blue", ["resp_1"])).toBeUndefined();
	expect(counters.sqlRoundTripsBeforeSend).toBe(0);
	expect(await received.findUnknown("blue", ["resp_0"])).toBeUndefined();
	expect(counters.sqlRoundTripsBeforeSend).toBe(1);
});

test("an authority that does not answer proves nothing", async () => {
	const lookUp = () => Promise.reject(new CostControlError("authority.unreachable", "away"));
	const received = new ReceivedIds({ lookUp, counters: { sqlRoundTripsBeforeSend: 0 }, nowMs: () => performance.now() });
	await expect(received.findUnknown("blue", ["resp_1"])).rejects.toMatchObject({ code: "authority.unreachable" });
});

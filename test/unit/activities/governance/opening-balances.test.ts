import { expect, test, vi } from "vitest";
import type { Connection } from "#activities/database/connection.ts";
import { OpeningBalances } from "#activities/governance/opening-balances.ts";

function stand() {
	const world = { nowMs: 0 };
	const asked: PromiseWithResolvers<never[]>[] = [];
	const query = (): Promise<never[]> => {
		const answer = Promise.withResolvers<never[]>();
		asked.push(answer);
		return answer.promise;
	};
	return { world, asked, balances: new OpeningBalances({ query } as unknown as Connection, () => world.nowMs) };
}

test("one at a time, every five seconds, and a twentieth of the time at most", async () => {
	const { world, asked, balances } = stand();
	const failed = vi.fn();
	balances.refresh(failed);
	balances.refresh(failed);
	expect(asked).toHaveLength(1);
	world.nowMs = 400; // it took so long
	asked[0]?.resolve([]);
	await balances.settled();
	for (const nowMs of [401, 5_000, 7_999]) {
		world.nowMs = nowMs;
		balances.refresh(failed);
	}
	expect(asked).toHaveLength(1);
	world.nowMs = 8_000;
	balances.refresh(failed);
	expect(asked).toHaveLength(2);
	asked[1]?.resolve([]);
	await balances.settled();
	expect(failed).not.toHaveBeenCalled();
});

test("one that fails is told, and tried again when it is due again", async () => {
	const { world, asked, balances } = stand();
	const failures: unknown[] = [];
	balances.refresh((error) => failures.push(error));
	asked[0]?.reject(new Error("statement timeout"));
	await balances.settled();
	expect(failures).toHaveLength(1);
	world.nowMs = 5_000;
	balances.refresh(() => undefined);
	expect(asked).toHaveLength(2);
});

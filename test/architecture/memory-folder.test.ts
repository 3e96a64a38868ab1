import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { expect, test } from "vitest";
import { readProcessStart } from "#activities/process/identity.ts";
import { makeMemoryFolder } from "#test/support/memory-folder.ts";

test.runIf(existsSync("/dev/shm"))("what a run that was killed left in memory goes with the next one, and what another one uses stays", async () => {
	const gone = spawnSync(process.execPath, ["-e", ""]).pid;
	const forgotten = `/dev/shm/tollgate-test-${gone}-1-left`;
	const used = `/dev/shm/tollgate-test-${process.pid}-${await readProcessStart(process.pid)}-used`;
	for (const folder of [forgotten, used]) mkdirSync(folder);
	try {
		const made = await makeMemoryFolder();
		if (made !== null) rmSync(made, { recursive: true });
		expect([existsSync(forgotten), existsSync(used)]).toEqual([false, true]);
	} finally {
		for (const folder of [forgotten, used]) rmSync(folder, { recursive: true, force: true });
	}
});

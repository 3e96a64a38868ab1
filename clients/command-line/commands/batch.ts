import { setTimeout as delay } from "node:timers/promises";
import type { Command } from "commander";
import { BATCH_STATES } from "#domain/batching/batch.ts";
import type { AdministrationClient, BatchView } from "../../administration-client.ts";
import { addCommand, addGroup } from "../command.ts";
import { batchTable, describeBatch, progressLine } from "../describe-batch.ts";
import type { Terminal } from "../output.ts";
import { oneOf, someText, wholeNumber } from "../values.ts";

type ListOptions = { team?: string; state?: string; limit?: string; after?: string };
type ShowOptions = { watch?: true };

const WATCH_EVERY_MS = 2_000;

export function addBatchCommands(program: Command, terminal: Terminal): void {
	const batch = addGroup(program, "batch", { summary: "batches: list, show, cancel, retry", example: "npx tollgate batch list --state running" });
	addReading(batch, terminal);
	addCommand(batch, terminal, {
		usage: "cancel <BATCH>",
		summary: "end a batch: what the provider has finished is paid, the rest is given back",
		example: "npx tollgate batch cancel batch_a1B2c3D4e5F6g7H8i9J0k1L2",
		run: async ({ system, print, arguments: [batchId = ""] }) => {
			const cancelled = await system().batches.cancel(batchId);
			print(cancelled, `${batchId} is to end. Watch it: npx tollgate batch show ${batchId} --watch`);
		},
	});
	addCommand(batch, terminal, {
		usage: "retry <BATCH>",
		summary: "try at once what a batch waits for, and begin its workflow where there is none",
		example: "npx tollgate batch retry batch_a1B2c3D4e5F6g7H8i9J0k1L2",
		run: async ({ system, print, arguments: [batchId = ""] }) => {
			const retried = await system().batches.retry(batchId);
			print(retried, `${batchId} goes on now. Watch it: npx tollgate batch show ${batchId} --watch`);
		},
	});
}

function addReading(batch: Command, terminal: Terminal): void {
	addCommand<ListOptions>(batch, terminal, {
		usage: "list",
		summary: "batches, the newest first",
		example: "npx tollgate batch list --team search --state running",
		options: {
			"--team <TEAM>": ["of one team; default all", someText],
			"--state <STATE>": [BATCH_STATES.join(", "), oneOf(BATCH_STATES)],
			"--limit <N>": ["how many; default 50", wholeNumber(1, 1_000)],
			"--after <BATCH>": ["older than this one", someText],
		},
		run: async ({ system, print, options: { team, state, limit, after } }) => {
			const batches = await system().batches.list({ teamId: team, state, limit: limit === undefined ? undefined : Number(limit), after });
			print(batches, batchTable(batches));
		},
	});
	addCommand<ShowOptions>(batch, terminal, {
		usage: "show <BATCH>",
		summary: "one batch: how far it is, what it holds and has cost, its parts at the provider, and what holds it up",
		example: "npx tollgate batch show batch_a1B2c3D4e5F6g7H8i9J0k1L2 --watch",
		options: { "--watch": "print a line whenever something changes, until it has ended" },
		run: async ({ system, print, options, arguments: [batchId = ""] }) => {
			const found = options.watch ? await watch(system(), batchId, (seen) => print(seen, progressLine(seen))) : await system().batches.read(batchId);
			print(found, describeBatch(found));
		},
	});
}

/** Resolves with the batch as it ended. */
async function watch(system: AdministrationClient, batchId: string, onChange: (batch: BatchView) => void): Promise<BatchView> {
	for (let shown = ""; ; await delay(WATCH_EVERY_MS)) {
		const seen = await system.batches.read(batchId);
		if (seen.endedAt !== null) return seen;
		const line = progressLine(seen);
		if (line !== shown) onChange(seen);
		shown = line;
	}
}

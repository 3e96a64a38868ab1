import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import pg from "pg";
import { createAdminKey } from "#activities/administration/admin-keys.ts";
import { AdministrationClient } from "#clients/administration-client.ts";
import { GATEWAY_ALLOCATOR, GATEWAY_NODE_FLAGS } from "#config/gateway-process.ts";
import { WORKER_ALLOCATOR, WORKER_NODE_FLAGS } from "#config/worker-process.ts";
import { OwnServer } from "#test/faults/server.ts";
import { type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { systemEnvironment } from "#test/support/system.ts";
import { startTestTemporal, type TestTemporal } from "#test/support/temporal.ts";
import { batchJobWorkflowId } from "#workflows/batch-job/messages.ts";
import { CloseList } from "./close-list.ts";

const ROOT = path.join(import.meta.dirname, "../../..");
/** More than 50,000 items of any size can be bounded at. */
const LIMIT_NANO_USD = 1_000_000_000_000_000n;

/** What the worker does when the measurement ends is nobody's. */
const NOT_WAITED_FOR = { TOLLGATE_STOP_GRACE_SECONDS: "0" };

/** What a process held at its most, in megabytes that are resident. */
export type Peaks = { readonly gateway: number; readonly worker: number; readonly batches: number };
export type History = { readonly events: number; readonly messages: number; readonly runs: number };

type Parts = Pick<ManyItemsStand, "stand" | "temporal" | "sql" | "gatewayUrl" | "key" | "admin"> & {
	readonly children: readonly [ChildProcess, ChildProcess];
	readonly closes: CloseList;
};

/**
 * A gateway and a worker as `npm start` runs them, each a process of its own with the same flags, on a PostgreSQL with fsync, a Temporal
 * server, payloads on the disk and the simulated provider.
 */
export class ManyItemsStand {
	readonly stand: GatewayStand;
	readonly temporal: TestTemporal;
	/** Stays open: what is measured is not how fast connections are made. */
	readonly sql: pg.Client;
	readonly gatewayUrl: string;
	/** Of a team with one budget. */
	readonly key: string;
	readonly admin: AdministrationClient;
	private readonly closes: CloseList;
	/** Of the gateway, the worker, and the process of batches that the worker starts. */
	private readonly pids: readonly [number, number, number];

	private constructor(parts: Parts) {
		this.stand = parts.stand;
		this.temporal = parts.temporal;
		this.sql = parts.sql;
		this.gatewayUrl = parts.gatewayUrl;
		this.key = parts.key;
		this.admin = parts.admin;
		this.closes = parts.closes;
		const [gateway, worker] = parts.children.map(({ pid }) => pid ?? Number.NaN) as [number, number];
		this.pids = [gateway, worker, batchesProcessOf(worker)];
	}

	static async open(): Promise<ManyItemsStand> {
		const closes = new CloseList();
		closes.closeAtSignals();
		try {
			const server = await closes.open(OwnServer.start());
			const stand = await closes.open(openGatewayStand({ database: server.database, windowKind: "lifetime" }));
			const temporal = await closes.open(startTestTemporal());
			const environment = { TOLLGATE_SIMULATED_PROVIDER_URL: stand.provider.url, DATABASE_URL: stand.database.url };
			const start = async (entry: string, options: { readonly flags: readonly string[]; readonly environment: Record<string, string> }): Promise<Started> => {
				const child = spawn(process.execPath, [...options.flags, path.join(ROOT, entry)], {
					cwd: ROOT,
					env: systemEnvironment(stand.home, { ...environment, ...options.environment }),
					stdio: ["ignore", "pipe", "inherit"],
				});
				closes.add(() => end(child));
				return { child, said: await firstLine(child) };
			};
			const worker = await start("workers/main.ts", {
				flags: WORKER_NODE_FLAGS,
				environment: { ...WORKER_ALLOCATOR, ...NOT_WAITED_FOR, TEMPORAL_ADDRESS: temporal.address },
			});
			const gateway = await start("gateway/main.ts", { flags: GATEWAY_NODE_FLAGS, environment: { ...GATEWAY_ALLOCATOR, TOLLGATE_GATEWAY_ID: "g1" } });
			const sql = new pg.Client({ connectionString: stand.database.url });
			sql.on("error", () => undefined); // the statement under way rejects with it
			await sql.connect();
			closes.add(() => sql.end());
			const { key: adminKey } = await createAdminKey(sql, { name: `ada-${randomBytes(2).toString("hex")}` }, "check:batch");
			const { key } = await stand.team(LIMIT_NANO_USD);
			const admin = new AdministrationClient({ adminUrl: worker.said["admin"] ?? "", adminKey, timeoutMs: 15_000 });
			return new ManyItemsStand({ stand, temporal, sql, gatewayUrl: gateway.said["url"] ?? "", key, admin, children: [gateway.child, worker.child], closes });
		} catch (error) {
			await closes.close();
			throw error;
		}
	}

	/** From here on `peaks` are those of what comes. */
	forgetPeaks(): void {
		for (const pid of this.pids) writeFileSync(`/proc/${pid}/clear_refs`, "5");
	}

	peaks(): Peaks {
		const [gateway = Number.NaN, worker = Number.NaN, batches = Number.NaN] = this.pids.map((pid) =>
			Math.ceil(Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1_024),
		);
		return { gateway, worker, batches };
	}

	async row<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<Row> {
		const [row] = (await this.sql.query<Row>(text, [...values])).rows;
		if (row === undefined) throw new Error(`no row: ${text}`);
		return row;
	}

	/** Of all runs of the batch's workflow. */
	history(batchId: string): Promise<History> {
		return this.historyOf(batchJobWorkflowId(batchId));
	}

	/** Of all workflows that are called so. */
	async histories(name: RegExp): Promise<History> {
		const ids = new Set<string>();
		for await (const { workflowId } of this.temporal.client.workflow.list()) if (name.test(workflowId)) ids.add(workflowId);
		const found = { events: 0, messages: 0, runs: 0 };
		for (const id of ids) {
			const { events, messages, runs } = await this.historyOf(id);
			found.events += events;
			found.messages += messages;
			found.runs += runs;
		}
		return found;
	}

	private async historyOf(workflowId: string): Promise<History> {
		const { workflow } = this.temporal.client;
		const found = { events: 0, messages: 0, runs: 0 };
		for (let runId = (await workflow.getHandle(workflowId).describe()).raw.workflowExecutionInfo?.firstRunId ?? undefined; runId; ) {
			const events = (await workflow.getHandle(workflowId, runId).fetchHistory()).events ?? [];
			const messages = events.filter((event) => event.workflowExecutionSignaledEventAttributes ?? event.workflowExecutionUpdateAcceptedEventAttributes);
			found.events += events.length;
			found.messages += messages.length;
			found.runs += 1;
			runId = events.at(-1)?.workflowExecutionContinuedAsNewEventAttributes?.newExecutionRunId ?? undefined;
		}
		return found;
	}

	close(): Promise<void> {
		return this.closes.close();
	}
}

function batchesProcessOf(workerPid: number): number {
	const children = readFileSync(`/proc/${workerPid}/task/${workerPid}/children`, "utf8").trim().split(" ");
	const found = children.find((pid) => readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("batches-child.ts"));
	if (found === undefined) throw new Error("the worker has no process of batches");
	return Number(found);
}

type Started = { readonly child: ChildProcess; readonly said: Readonly<Record<string, string>> };

async function firstLine(child: ChildProcess): Promise<Readonly<Record<string, string>>> {
	if (child.stdout === null) throw new Error("its output is not read");
	for await (const line of createInterface({ input: child.stdout })) return JSON.parse(line) as Record<string, string>;
	throw new Error("a process ended while it started");
}

async function end(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const exited = once(child, "exit");
	child.kill("SIGTERM");
	await exited;
}

import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { createInterface } from "node:readline";
import { defaultPayloadConverter } from "@temporalio/common";
import { tsToMs } from "@temporalio/common/lib/time.js";
import pg from "pg";
import { createAdminKey } from "#activities/administration/admin-keys.ts";
import { findFreePort } from "#activities/process/free-port.ts";
import { AdministrationClient } from "#clients/administration-client.ts";
import { WORKER_ALLOCATOR, WORKER_NODE_FLAGS } from "#config/worker-process.ts";
import type { TotalsReport } from "#domain/budget/team-budget-state.ts";
import { OwnServer } from "#test/faults/server.ts";
import { type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { startTestTemporal, type TestTemporal } from "#test/support/temporal.ts";
import { BUDGET_TASK_QUEUE, teamBudgetWorkflowId, totalsReportedSignal } from "#workflows/team-budget/messages.ts";
import { insist } from "./insist.ts";

const ROOT = path.join(import.meta.dirname, "../..");
const CHANNEL = "govern";
/** Of every team's budget: so long that hardly a run meets its end. */
export const WINDOW_KIND = "quarter";

/** TASK_QUEUE_TYPE_WORKFLOW of temporal.api.enums.v1. */
const WORKFLOW_TASKS = 1;

export const COMPONENTS = ["worker", "temporal", "postgres", "receiver"] as const;
export type Component = (typeof COMPONENTS)[number];

/** One message as the receiver wrote it down, in order. */
export type Received = {
	readonly id: string;
	/** Why its signature was refused. */
	readonly problem?: string;
	readonly message?: { readonly type: string; readonly data: Readonly<Record<string, unknown>> };
};

/**
 * What alerts pass through, each a process that can be killed and started again where it was: PostgreSQL with fsync on, a Temporal
 * server on a file, the worker, a receiver; and a gateway with the simulated provider, which spend.
 */
export class GovernedSystem {
	readonly stand: GatewayStand;
	readonly gateway: GatewayProcess;
	/** Asks for changes. */
	readonly ada: AdministrationClient;
	/** Decides about them. */
	readonly grace: AdministrationClient;
	private readonly server: OwnServer;
	private readonly ports: { readonly admin: number; readonly receiver: number; readonly temporal: number };
	private readonly folder: string;
	private readonly keepsTemporal: boolean;
	private readonly secret = `whsec_${randomBytes(24).toString("base64")}`;
	private readonly children = new Map<"worker" | "receiver", ChildProcess>();
	private temporal: TestTemporal | undefined;
	private workerLog = "";

	private constructor(
		parts: Pick<GovernedSystem, "stand" | "gateway" | "ada" | "grace"> & {
			server: OwnServer;
			ports: GovernedSystem["ports"];
			folder: string;
			keepsTemporal: boolean;
		},
	) {
		this.stand = parts.stand;
		this.gateway = parts.gateway;
		this.ada = parts.ada;
		this.grace = parts.grace;
		this.server = parts.server;
		this.ports = parts.ports;
		this.folder = parts.folder;
		this.keepsTemporal = parts.keepsTemporal;
	}

	/** `folder` keeps the receiver's file, and Temporal's unless `keepsTemporal` is false: in memory it is no disk's to slow down, and not to be killed. */
	static async open(folder: string, { keepsTemporal = true } = {}): Promise<GovernedSystem> {
		const server = await OwnServer.start();
		const stand = await openGatewayStand({ database: server.database, windowKind: WINDOW_KIND });
		const ports = { admin: await findFreePort(), receiver: await findFreePort(), temporal: await findFreePort() };
		const client = async (name: string): Promise<AdministrationClient> =>
			new AdministrationClient({ adminUrl: `http://127.0.0.1:${ports.admin}`, adminKey: await adminKey(server.database.url, name), timeoutMs: 15_000 });
		const [ada, grace] = [await client("ada"), await client("grace")];
		const system = new GovernedSystem({ stand, gateway: await stand.start("g1"), ada, grace, server, ports, folder, keepsTemporal });
		try {
			for (const component of ["temporal", "worker", "receiver"] as const) await system.start(component);
			const url = `http://127.0.0.1:${ports.receiver}/`;
			await insist("the worker", () => ada.alertChannels.list());
			await ada.alertChannels.set(CHANNEL, { kind: "webhook", url, secretEnv: "GOVERN_WEBHOOK_SECRET", allowPrivate: true });
			await ada.alertChannels.setRoutes("@organization", [{ channel: CHANNEL }]);
			return system;
		} catch (error) {
			await system.close();
			throw error;
		}
	}

	/** SIGKILL, as a machine that loses its power would. */
	async kill(component: Component): Promise<void> {
		if (component === "postgres") await this.server.kill();
		else if (component === "temporal") await this.endTemporal("SIGKILL");
		else await end(this.children.get(component), "SIGKILL");
	}

	/** Starts it where it was; resolves when it serves, a worker when its process runs: it waits for the others by itself. */
	async start(component: Component): Promise<void> {
		if (component === "postgres") await this.server.restart();
		else if (component === "temporal")
			this.temporal = await startTestTemporal({
				port: this.ports.temporal,
				...(this.keepsTemporal && { databaseFile: path.join(this.folder, "temporal.db") }),
			});
		else if (component === "worker") this.startWorker();
		else await this.startReceiver();
	}

	async sql<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
		const client = new pg.Client({ connectionString: this.server.database.url, connectionTimeoutMillis: 2_000, query_timeout: 10_000 });
		client.on("error", () => undefined); // the statement under way rejects with it
		try {
			await client.connect();
			return (await client.query<Row>(text, [...values])).rows;
		} finally {
			await client.end().catch(() => undefined); // of a connection that was cut
		}
	}

	/** Everything the receiver wrote down; a line that a kill cut off is no message. */
	received(): Received[] {
		const file = path.join(this.folder, "received.jsonl");
		if (!existsSync(file)) return [];
		return readFileSync(file, "utf8")
			.split("\n")
			.slice(0, -1)
			.map((line) => JSON.parse(line) as Received);
	}

	get workerPid(): number {
		return this.children.get("worker")?.pid ?? 0;
	}

	/** Totals that Temporal took for a team's workflow in its present run, oldest first, and when. */
	async reportsTo(teamId: string): Promise<{ readonly atMs: number; readonly report: TotalsReport }[]> {
		if (this.temporal === undefined) throw new Error("Temporal is stopped");
		const { events } = await this.temporal.client.workflow.getHandle(teamBudgetWorkflowId(teamId)).fetchHistory();
		return (events ?? []).flatMap(({ eventTime, workflowExecutionSignaledEventAttributes: signaled }) => {
			const [payload] = signaled?.input?.payloads ?? [];
			if (payload == null || signaled?.signalName !== totalsReportedSignal.name) return [];
			return [{ atMs: tsToMs(eventTime), report: defaultPayloadConverter.fromPayload<TotalsReport>(payload) }];
		});
	}

	/** Workflow tasks of teams that no worker has begun, as Temporal counts them. */
	async waitingWorkflowTasks(): Promise<number> {
		if (this.temporal === undefined) throw new Error("Temporal is stopped");
		const { stats } = await this.temporal.client.workflowService.describeTaskQueue({
			namespace: "default",
			taskQueue: { name: BUDGET_TASK_QUEUE },
			taskQueueType: WORKFLOW_TASKS,
			reportStats: true,
		});
		return Number(stats?.approximateBacklogCount ?? Number.NaN);
	}

	async workerMetrics(): Promise<string> {
		return (await fetch(`http://127.0.0.1:${this.ports.admin}/metrics`, { signal: AbortSignal.timeout(10_000) })).text();
	}

	/** The newest lines of the worker, for whoever asks why. */
	log(): string {
		return this.workerLog;
	}

	async close(): Promise<void> {
		for (const child of this.children.values()) await end(child, "SIGKILL");
		await this.endTemporal("SIGTERM");
		await this.stand.close();
	}

	private async endTemporal(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
		const { temporal } = this;
		this.temporal = undefined;
		await temporal?.stopServer(signal);
		await temporal?.close();
	}

	private startWorker(): void {
		const child = spawn(process.execPath, [...WORKER_NODE_FLAGS, path.join(ROOT, "workers/main.ts")], {
			cwd: ROOT,
			env: {
				...process.env,
				...WORKER_ALLOCATOR,
				TOLLGATE_HOME: path.join(this.folder, "home"),
				TOLLGATE_ADMIN_PORT: String(this.ports.admin),
				DATABASE_URL: this.server.database.url,
				TEMPORAL_ADDRESS: `127.0.0.1:${this.ports.temporal}`,
				GOVERN_WEBHOOK_SECRET: this.secret,
			},
			stdio: ["ignore", "ignore", "pipe"],
		});
		child.stderr.on("data", (text: Buffer) => {
			this.workerLog = `${this.workerLog}${text}`.slice(-20_000);
		});
		this.children.set("worker", child);
	}

	private async startReceiver(): Promise<void> {
		const child = spawn(
			process.execPath,
			[path.join(import.meta.dirname, "receiver-child.ts"), String(this.ports.receiver), path.join(this.folder, "received.jsonl")],
			{ cwd: ROOT, env: { ...process.env, GOVERN_WEBHOOK_SECRET: this.secret }, stdio: ["ignore", "pipe", "inherit"] },
		);
		this.children.set("receiver", child);
		await once(createInterface({ input: child.stdout }), "line");
	}
}

async function end(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
	if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
	const exited = once(child, "exit");
	child.kill(signal);
	await exited;
}

async function adminKey(databaseUrl: string, name: string): Promise<string> {
	const client = new pg.Client({ connectionString: databaseUrl });
	await client.connect();
	try {
		return (await createAdminKey(client, { name }, "check:govern")).key;
	} finally {
		await client.end();
	}
}

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import pg from "pg";
import { findFreePort } from "#activities/process/free-port.ts";
import { WORKER_ALLOCATOR, WORKER_NODE_FLAGS } from "#config/worker-process.ts";
import { createRandom } from "#test/faults/random.ts";
import { OwnServer } from "#test/faults/server.ts";
import { insertKey, withClient } from "#test/support/authority-rows.ts";
import { type GatewayProcess, type GatewayStand, openGatewayStand } from "#test/support/gateway-process.ts";
import { preloading } from "#test/support/preload.ts";
import { systemEnvironment } from "#test/support/system.ts";
import { startTestTemporal, type TestTemporal } from "#test/support/temporal.ts";
import type { Outage } from "./lateness.ts";
import { WebhookReceiver } from "./webhook-receiver.ts";

const ROOT = path.join(import.meta.dirname, "../../..");
/** Of every team's budget: so long that hardly a check meets its end. */
const WINDOW_KIND = "quarter";
/** An hour of the provider takes two seconds. */
const PROVIDER_PACE = 1_800;
const GATEWAY_STARTS_WITHIN_MS = 60_000;
const AUTHORITY_AWAY = "the budget authority does not answer";
const LOG_CHARACTERS_KEPT = 8_000;

export const COMPONENTS = ["worker", "gateway_1", "gateway_2", "postgres", "temporal"] as const;
export type Component = (typeof COMPONENTS)[number];
type TeamRules = { readonly admissionWaitMs: number; readonly resubmit: boolean; readonly relane: boolean };
type Team = { readonly teamId: string; readonly keys: readonly string[] };
const GATEWAYS = ["gateway_1", "gateway_2"] as const;
type Gateway = (typeof GATEWAYS)[number];

/**
 * What a batch passes through, each a process that can be killed and started again where it was: two gateways, PostgreSQL with fsync on, a
 * Temporal server on a file, the worker; the simulated provider, whose day is less than a minute; and a receiver of webhooks, which is not killed.
 */
export class BatchSystem {
	readonly stand: GatewayStand;
	/** Of processes that were killed, in order; those that are away yet never end. */
	readonly outages: { -readonly [Field in keyof Outage]: Outage[Field] }[] = [];
	readonly webhooks: WebhookReceiver;
	private readonly server: OwnServer;
	private readonly folder: string;
	private readonly ports: Readonly<Record<Gateway | "admin" | "temporal", number>>;
	private readonly gateways = new Map<Gateway, GatewayProcess>();
	private readonly gatewaysStarting = new Map<Gateway, Promise<void>>();
	private readonly gatewayLogs: string[] = [];
	private worker: ChildProcess | undefined;
	private workerWorks: Promise<unknown> = Promise.resolve();
	private temporal: TestTemporal | undefined;
	private isPostgresUp = true;
	private workerLog = "";

	private constructor(parts: { stand: GatewayStand; webhooks: WebhookReceiver; server: OwnServer; folder: string; ports: BatchSystem["ports"] }) {
		this.stand = parts.stand;
		this.webhooks = parts.webhooks;
		this.server = parts.server;
		this.folder = parts.folder;
		this.ports = parts.ports;
	}

	/** `folder` keeps Temporal's file and the secrets of channels; `seed` is that of the dice of the provider, and of the receiver. */
	static async open(folder: string, seed: number): Promise<BatchSystem> {
		const server = await OwnServer.start();
		const stand = await openGatewayStand({
			database: server.database,
			windowKind: WINDOW_KIND,
			providerEnvironment: { TOLLGATE_SIMULATOR_SEED: String(seed) },
		});
		const ports = { admin: await findFreePort(), temporal: await findFreePort(), gateway_1: await findFreePort(), gateway_2: await findFreePort() };
		const system = new BatchSystem({ stand, webhooks: await WebhookReceiver.open(folder, createRandom(seed)), server, folder, ports });
		// Whoever ends the check leaves nothing running.
		for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void system.close().finally(() => process.exit(2)));
		try {
			await system.steer("clock", { pace: PROVIDER_PACE });
			for (const component of COMPONENTS) await system.start(component);
			await system.workerWorks;
			return system;
		} catch (error) {
			await system.close();
			throw error;
		}
	}

	/** The addresses of both gateways, dead or alive. */
	get gatewayUrls(): readonly string[] {
		return GATEWAYS.map((gateway) => `http://127.0.0.1:${this.ports[gateway]}`);
	}

	isRunning(component: Component): boolean {
		if (component === "postgres") return this.isPostgresUp;
		if (component === "temporal") return this.temporal !== undefined;
		return component === "worker" ? this.worker !== undefined : this.gateways.has(component);
	}

	/** SIGKILL, as a machine that loses its power would. What does not run is left so. */
	async kill(component: Component): Promise<void> {
		if (!this.isRunning(component)) return;
		this.outages.push({ component, fromMs: Date.now(), untilMs: Number.POSITIVE_INFINITY });
		if (component === "postgres") {
			this.isPostgresUp = false;
			await this.server.kill();
		} else if (component === "temporal") await this.endTemporal("SIGKILL");
		else if (component === "worker") await this.endWorker();
		else await this.endGateway(component);
	}

	/** Starts it where it was; resolves when it serves, a worker when its process runs: it waits for the others by itself. What runs is left so. */
	async start(component: Component): Promise<void> {
		if (this.isRunning(component)) return;
		if (component === "postgres") {
			await this.server.restart();
			this.isPostgresUp = true;
		} else if (component === "temporal") {
			const databaseFile = path.join(this.folder, "temporal.db");
			this.temporal = await startTestTemporal({ port: this.ports.temporal, databaseFile });
		} else if (component === "worker") this.startWorker();
		else await this.startGateway(component);
		if (component === "worker") void this.workerWorks.then(() => this.isBack(component));
		else this.isBack(component);
	}

	private isBack(component: Component): void {
		const outage = this.outages.findLast((each) => each.component === component);
		if (outage?.untilMs === Number.POSITIVE_INFINITY) outage.untilMs = Date.now();
	}

	/** A team with one budget and one key, whose batches go by these rules. */
	async teamOfRules(limitNanoUsd: bigint, { admissionWaitMs, resubmit, relane }: TeamRules): Promise<{ readonly teamId: string; readonly key: string }> {
		const team = await this.stand.team(limitNanoUsd, { admissionWaitMs });
		await this.sql("UPDATE tollgate.virtual_key SET resubmits_batches = $2, relanes_batches = $3 WHERE team_id = $1", [team.teamId, resubmit, relane]);
		return team;
	}

	/** A team with one budget, its channels, and as many keys, each of which may say for which feature and user it asks. */
	async teamOfKeys(limitNanoUsd: bigint, { admissionWaitMs, keys }: { readonly admissionWaitMs: number; readonly keys: number }): Promise<Team> {
		const { teamId } = await this.stand.team(limitNanoUsd, { admissionWaitMs });
		return withClient(this.server.database.url, async (client) => {
			const secrets: string[] = [];
			for (let key = 1; key <= keys; key += 1) secrets.push(await insertKey(client, teamId, { id: `key_${teamId}_${key}` }));
			await client.query("UPDATE tollgate.virtual_key SET may_assert = '{user,feature}' WHERE team_id = $1", [teamId]);
			for (const { name, config } of this.webhooks.channelsFor(teamId))
				await client.query("INSERT INTO tollgate.alert_channel (name, kind, config) VALUES ($1, 'webhook', $2)", [name, JSON.stringify(config)]);
			return { teamId, keys: secrets };
		});
	}

	/** Orders of the simulated provider's control; what it does not take is our mistake. */
	async steer(what: "clock" | "faults", body: Readonly<Record<string, unknown>>): Promise<void> {
		const answer = await this.stand.provider.control(`batches/${what}`, body);
		if (answer["httpStatus"] !== 200) throw new Error(`the simulated provider took no ${what}: ${String(answer["error"])}`);
	}

	async sql<Row extends pg.QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<Row[]> {
		const client = new pg.Client({ connectionString: this.server.database.url, connectionTimeoutMillis: 2_000, query_timeout: 30_000 });
		client.on("error", () => undefined); // the statement under way rejects with it
		try {
			await client.connect();
			return (await client.query<Row>(text, [...values])).rows;
		} finally {
			await client.end().catch(() => undefined); // of a connection that was cut
		}
	}

	/** The newest lines of the processes, for whoever asks why. */
	log(): string {
		const gateways = [...this.gatewayLogs, ...[...this.gateways.values()].map((gateway) => gateway.log())];
		return [this.workerLog, ...gateways.map((log) => log.slice(-LOG_CHARACTERS_KEPT))].join("\n");
	}

	async close(): Promise<void> {
		await this.endWorker();
		await this.endTemporal("SIGTERM");
		await this.webhooks.close();
		await this.stand.close();
	}

	private async endTemporal(signal: "SIGKILL" | "SIGTERM"): Promise<void> {
		const { temporal } = this;
		this.temporal = undefined;
		await temporal?.stopServer(signal);
		await temporal?.close();
	}

	/** One that is being started is not started beside itself. */
	private startGateway(name: Gateway): Promise<void> {
		const starting = this.gatewaysStarting.get(name) ?? this.launchGateway(name).finally(() => this.gatewaysStarting.delete(name));
		this.gatewaysStarting.set(name, starting);
		return starting;
	}

	/** A gateway that begins while PostgreSQL is away ends; it is started again, as whatever keeps processes running would. */
	private async launchGateway(name: Gateway): Promise<void> {
		const deadlineMs = performance.now() + GATEWAY_STARTS_WITHIN_MS;
		for (;;) {
			try {
				this.gateways.set(
					name,
					await this.stand.start(name, { NODE_OPTIONS: preloading("quick-batches.mjs"), TOLLGATE_GATEWAY_PORT: String(this.ports[name]) }),
				);
				return;
			} catch (error) {
				if (!String(error).includes(AUTHORITY_AWAY) || performance.now() > deadlineMs) throw error;
			}
		}
	}

	private async endGateway(name: Gateway): Promise<void> {
		const gateway = this.gateways.get(name);
		if (gateway === undefined) return;
		this.gateways.delete(name);
		await gateway.end("SIGKILL");
		this.gatewayLogs.push(gateway.log().slice(-LOG_CHARACTERS_KEPT));
		this.gatewayLogs.splice(0, this.gatewayLogs.length - 2);
	}

	private async endWorker(): Promise<void> {
		const { worker } = this;
		this.worker = undefined;
		if (worker === undefined || worker.exitCode !== null || worker.signalCode !== null) return;
		const exited = once(worker, "exit");
		worker.kill("SIGKILL");
		await exited;
	}

	private startWorker(): void {
		const child = spawn(process.execPath, [...WORKER_NODE_FLAGS, path.join(ROOT, "workers/main.ts")], {
			cwd: ROOT,
			env: systemEnvironment(this.stand.home, {
				...WORKER_ALLOCATOR,
				NODE_OPTIONS: preloading("quick-batches.mjs"),
				TOLLGATE_ADMIN_PORT: String(this.ports.admin),
				TOLLGATE_SIMULATED_PROVIDER_URL: this.stand.provider.url,
				DATABASE_URL: this.server.database.url,
				TEMPORAL_ADDRESS: `127.0.0.1:${this.ports.temporal}`,
			}),
			stdio: ["ignore", "pipe", "pipe"],
		});
		// It says so in one line, and never where it is killed before.
		this.workerWorks = new Promise((resolve) => child.stdout.once("data", resolve));
		child.stderr.on("data", (text: Buffer) => {
			this.workerLog = `${this.workerLog}${text}`.slice(-LOG_CHARACTERS_KEPT);
		});
		this.worker = child;
	}
}

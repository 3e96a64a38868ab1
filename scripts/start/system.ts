import { readFileSync } from "node:fs";
import path from "node:path";
import { migrateDatabase } from "#activities/database/migrate.ts";
import { reachableOrigin } from "#activities/process/origin.ts";
import { requireDatabaseUrl } from "#config/load.ts";
import type { Addresses } from "./child-environment.ts";
import { type ConsoleBuild, startConsoleBuild } from "./console-build.ts";
import { type Endpoints, removeEndpoints, writeEndpoints } from "./endpoints.ts";
import { type RecordedProcess, recordProcesses } from "./home.ts";
import { type Plan, StartError } from "./plan.ts";
import { type KeptService, keepAlive, type Life, type Service } from "./service.ts";
import { describeGateway, describePostgres, describeProvider, describeTemporal, describeWorker } from "./system-services.ts";
import { acquireTemporalBinary } from "./temporal-binary.ts";
import { waitForNamespace } from "./temporal-server.ts";

const READY_TIMEOUT_MS = 60_000;
/** The kernel spreads connections over the gateways, so one answer does not stand for all of them. */
const READY_ANSWERS_PER_GATEWAY = 4;

/** Everything that was started for one home, in start order. */
export class RunningSystem {
	readonly #plan: Plan;
	readonly #say: (line: string) => void;
	readonly #kept: KeptService[] = [];
	readonly #stopping = new AbortController();
	#endpoints: Omit<Endpoints, "pids"> | null = null;
	#demoLimitNanoUsd: bigint | null = null;
	#acquiring: Promise<string> | null = null;
	#consoleBuild: ConsoleBuild | null = null;

	constructor(plan: Plan, say: (line: string) => void) {
		this.#plan = plan;
		this.#say = say;
	}

	/** @returns what was written to endpoints.json. @throws StartError or the first problem of a part; the caller then stops. */
	async start(): Promise<Endpoints> {
		const { consoleBuild } = this.#plan.entries;
		if (consoleBuild !== undefined) this.#consoleBuild = startConsoleBuild(consoleBuild, this.#say);
		const [databaseUrl, temporalAddress, simulatedProviderUrl] = await Promise.all([this.#startDatabase(), this.#startTemporal(), this.#startProvider()]);
		const addresses: Addresses = { databaseUrl, temporalAddress, simulatedProviderUrl };
		this.#say("starting the worker");
		const worker = await this.#keep(describeWorker(this.#plan, addresses));
		this.#say(this.#plan.gatewayIds.length === 1 ? "starting the gateway" : `starting ${this.#plan.gatewayIds.length} gateways`);
		await Promise.all(this.#plan.gatewayIds.map((_, index) => this.#keep(describeGateway(this.#plan, addresses, index))));
		await this.#waitUntilReady();
		const limit = worker.report["demoLimitNanoUsd"];
		this.#demoLimitNanoUsd = typeof limit === "string" ? BigInt(limit) : null;
		this.#endpoints = this.#describe(addresses, worker.report);
		return this.#publish(this.#endpoints);
	}

	/** The daily limit of team "demo" as the worker found it in force; null where it has none, or before the start is through. */
	demoLimitNanoUsd(): bigint | null {
		return this.#demoLimitNanoUsd;
	}

	/** Gateways and the worker first, then what they write to, the database last. Within 15 s, and the time that calls of batches have. */
	async stop(): Promise<void> {
		this.#stopping.abort();
		// A build is ended and cleaned up by this process, which therefore outlives it.
		await Promise.allSettled([this.#acquiring, this.#consoleBuild?.stop()]);
		const waves: readonly RegExp[] = [/^(gateway-|worker)/, /^(provider|temporal)$/, /^postgres$/];
		for (const wave of waves) await Promise.all(this.#kept.filter((service) => wave.test(service.name)).map((service) => service.stop()));
		removeEndpoints(this.#plan.settings.home);
	}

	async #startDatabase(): Promise<string> {
		let url = this.#plan.settings.databaseUrl === null ? "" : requireDatabaseUrl(this.#plan.settings);
		if (url === "") {
			this.#say("starting PostgreSQL");
			await this.#keep(
				describePostgres(this.#plan, (embeddedUrl) => {
					url = embeddedUrl;
				}),
			);
		}
		const { applied } = await migrate(url);
		if (applied.length > 0) this.#say(`database migrated: ${applied.join(", ")}`);
		return url;
	}

	async #startTemporal(): Promise<string> {
		const { settings, ports } = this.#plan;
		if (settings.temporalAddress !== null) {
			const problem = await waitForNamespace({ address: settings.temporalAddress, namespace: settings.temporalNamespace }, undefined, 10_000);
			if (problem === null) return settings.temporalAddress;
			throw new StartError(
				`TEMPORAL_ADDRESS names ${settings.temporalAddress}, but no Temporal server answers there for the namespace ${settings.temporalNamespace} (${problem}). Start it, or unset the variable to have one run here.`,
			);
		}
		this.#acquiring = acquireTemporalBinary({ named: settings.temporalBinary, cache: settings.cache, onProgress: this.#say, signal: this.#stopping.signal });
		const binary = await this.#acquiring;
		this.#say("starting Temporal");
		await this.#keep(describeTemporal(this.#plan, binary));
		return `127.0.0.1:${ports.temporal}`;
	}

	async #startProvider(): Promise<string | null> {
		if (this.#plan.realProviders.length > 0) return null;
		if (this.#plan.settings.simulatedProviderUrl !== null) return this.#plan.settings.simulatedProviderUrl;
		this.#say("starting the simulated provider");
		const provider = await this.#keep(describeProvider(this.#plan));
		return readString(provider.report, "url", "provider");
	}

	async #keep(service: Service): Promise<Life> {
		if (this.#stopping.signal.aborted) throw new StartError("Stopped while starting.");
		const kept = keepAlive(service, { onChange: () => this.#record(), onProgress: this.#say });
		// Before it runs: a stop that comes meanwhile must know of it.
		this.#kept.push(kept);
		return kept.start();
	}

	/** Both files follow every change of a process. */
	#record(): void {
		const running = this.#kept.flatMap((service): RecordedProcess[] => {
			const identity = service.identity();
			return identity === null ? [] : [{ name: service.name, ...identity }];
		});
		recordProcesses(this.#plan.settings.home, running);
		if (this.#endpoints !== null && !this.#stopping.signal.aborted) this.#publish(this.#endpoints);
	}

	#publish(endpoints: Omit<Endpoints, "pids">): Endpoints {
		const pidOf = (name: string): number | null => this.#kept.find((service) => service.name === name)?.identity()?.pid ?? null;
		const gateways = this.#plan.gatewayIds.map((id) => pidOf(`gateway-${id}`));
		const pids = {
			start: process.pid,
			gateway: gateways[0] ?? null,
			gateways,
			worker: pidOf("worker"),
			temporal: pidOf("temporal"),
			postgres: pidOf("postgres"),
			provider: pidOf("provider"),
		};
		writeEndpoints(this.#plan.settings.home, { ...endpoints, pids });
		return { ...endpoints, pids };
	}

	async #waitUntilReady(): Promise<void> {
		const url = `${this.#gatewayUrl()}/readyz`;
		const deadline = performance.now() + READY_TIMEOUT_MS;
		for (let inARow = 0; inARow < READY_ANSWERS_PER_GATEWAY * this.#plan.gatewayIds.length; ) {
			const problem = await askOnce(url);
			inARow = problem === null ? inARow + 1 : 0;
			if (problem === null) continue;
			if (this.#stopping.signal.aborted || performance.now() > deadline)
				throw new StartError(`The gateway does not become ready (${url}: ${problem}). Its log is in ${path.join(this.#plan.settings.home, "logs")}.`);
			await new Promise((resolve) => setTimeout(resolve, 100));
		}
	}

	#gatewayUrl(): string {
		return reachableOrigin(this.#plan.settings.gatewayHost, this.#plan.ports.gateway);
	}

	#describe(addresses: Addresses, report: Readonly<Record<string, unknown>>): Omit<Endpoints, "pids"> {
		const { settings, ports } = this.#plan;
		return {
			gateway: this.#gatewayUrl(),
			admin: readString(report, "admin", "worker"),
			demoKey: readFileSync(readString(report, "demoKeyFile", "worker"), "utf8").trim(),
			adminKeyFile: path.resolve(readString(report, "adminKeyFile", "worker")),
			temporalAddress: addresses.temporalAddress,
			temporalUi: settings.temporalAddress === null ? `http://127.0.0.1:${ports.temporalUi}` : settings.temporalUiUrl,
			databaseUrl: addresses.databaseUrl,
			provider: this.#plan.realProviders.length > 0 ? "real" : "simulated",
			simulatedProvider: addresses.simulatedProviderUrl === null ? null : { url: addresses.simulatedProviderUrl, callLog: settings.providerCallLog },
		};
	}
}

async function migrate(url: string): Promise<{ applied: readonly string[] }> {
	try {
		return await migrateDatabase(url);
	} catch (error) {
		const code = (error as NodeJS.ErrnoException).code ?? "";
		if (!/^(ECONN|ENOTFOUND|EAI_AGAIN|ETIMEDOUT|28|3D)/.test(code)) throw error;
		throw new StartError(
			`The database of DATABASE_URL cannot be used (${error instanceof Error ? error.message : String(error)}). Start it or correct the variable, or unset it to have a PostgreSQL run here.`,
		);
	}
}

async function askOnce(url: string): Promise<string | null> {
	try {
		// A new connection each time: a kept one stays with one gateway.
		const answer = await fetch(url, { headers: { connection: "close" }, signal: AbortSignal.timeout(5_000) });
		await answer.arrayBuffer();
		return answer.status === 200 ? null : `status ${answer.status}`;
	} catch (error) {
		return error instanceof Error ? error.message : String(error);
	}
}

function readString(report: Readonly<Record<string, unknown>>, field: string, name: string): string {
	const value = report[field];
	if (typeof value === "string") return value;
	throw new Error(`the ${name} said that it is ready without naming its "${field}"`);
}

import path from "node:path";
import { startEmbeddedPostgres } from "#activities/database/embedded-postgres.ts";
import { GATEWAY_NODE_FLAGS } from "#config/gateway-process.ts";
import { WORKER_NODE_FLAGS } from "#config/worker-process.ts";
import { type Addresses, gatewayEnvironment, providerEnvironment, workerEnvironment } from "./child-environment.ts";
import { DATABASE_STOP_STEPS } from "./home.ts";
import { rotateLog } from "./log-files.ts";
import { startNodeChild } from "./node-child.ts";
import type { Plan } from "./plan.ts";
import type { Service } from "./service.ts";
import { startTemporalServer } from "./temporal-server.ts";

/**
 * Everything `npm start` runs, one function per kind. Patience adds up to less than 15 s over the three waves of a stop, and the time that calls of
 * batches have to end in.
 */

const DRAIN: Service["stopSteps"] = [
	["SIGTERM", 9_000],
	["SIGKILL", 500],
];
const QUICK: Service["stopSteps"] = [
	["SIGTERM", 1_500],
	["SIGKILL", 500],
];
export function describePostgres(plan: Plan, onUrl: (url: string) => void): Service {
	const logFile = prepareLog(plan, "postgres");
	return {
		name: "postgres",
		stopSteps: DATABASE_STOP_STEPS,
		async start(_life, onSpawn) {
			const server = await startEmbeddedPostgres({ folder: path.join(plan.settings.home, "postgres"), port: plan.ports.postgres, logFile, onSpawn });
			onUrl(server.url);
			return { identity: server.identity, report: {}, ended: server.ended };
		},
	};
}

export function describeTemporal(plan: Plan, binary: string): Service {
	const logFile = prepareLog(plan, "temporal");
	const { ports, settings } = plan;
	const options = {
		binary,
		logFile,
		port: ports.temporal,
		uiPort: ports.temporalUi,
		namespace: settings.temporalNamespace,
		folder: path.join(settings.home, "temporal"),
	};
	return { name: "temporal", stopSteps: QUICK, start: (_life, onSpawn) => startTemporalServer(options, onSpawn) };
}

export function describeProvider(plan: Plan): Service {
	const logFile = prepareLog(plan, "provider");
	return {
		name: "provider",
		stopSteps: QUICK,
		start: (_life, onSpawn) => startNodeChild({ name: "provider", ...node(plan.entries.provider), environment: providerEnvironment(plan), logFile }, onSpawn),
	};
}

export function describeWorker(plan: Plan, addresses: Addresses): Service {
	const logFile = prepareLog(plan, "worker");
	return {
		name: "worker",
		stopSteps: workerStopSteps(plan),
		start: (_life, onSpawn) =>
			startNodeChild({ name: "worker", ...node(plan.entries.worker, WORKER_NODE_FLAGS), environment: workerEnvironment(plan, addresses), logFile }, onSpawn),
	};
}

/** What a worker does beside its calls of batches takes as long as before; while none is under way it ends as soon. */
function workerStopSteps({ settings }: Plan): Service["stopSteps"] {
	return DRAIN.map(([signal, patienceMs], index) => [signal, index === 0 ? patienceMs + settings.stopGraceMs : patienceMs] as const);
}

export function describeGateway(plan: Plan, addresses: Addresses, index: number): Service {
	const name = `gateway-${plan.gatewayIds[index]}`;
	const logFile = prepareLog(plan, name);
	return {
		name,
		stopSteps: DRAIN,
		start: (_life, onSpawn) =>
			startNodeChild({ name, ...node(plan.entries.gateway, GATEWAY_NODE_FLAGS), environment: gatewayEnvironment(plan, addresses, index), logFile }, onSpawn),
	};
}

function node(entry: string, flags: readonly string[] = ["--enable-source-maps"]): { file: string; args: string[] } {
	return { file: process.execPath, args: [...flags, entry] };
}

function prepareLog(plan: Plan, name: string): string {
	const file = path.join(plan.settings.home, "logs", `${name}.log`);
	rotateLog(file);
	return file;
}

import { DefaultLogger, type LogEntry, type LogLevel, Runtime } from "@temporalio/worker";
import type { Logger } from "pino";

const LEVELS: Readonly<Record<LogLevel, "trace" | "debug" | "info" | "warn" | "error">> = {
	TRACE: "trace",
	DEBUG: "debug",
	INFO: "debug",
	WARN: "warn",
	ERROR: "error",
};

/** Sends what the Temporal SDK logs through the process's own logger. Once per process, before any worker. */
export function routeTemporalLog(log: Logger): void {
	const write = ({ level, message, meta }: LogEntry): void => {
		const { error, ...rest } = meta ?? {};
		log[LEVELS[level]]({ ...rest, ...(error === undefined ? {} : { err: error }) }, message);
	};
	Runtime.install({ logger: new DefaultLogger(log.isLevelEnabled("debug") ? "DEBUG" : "WARN", write) });
}

import { DefaultLogger, type LogEntry, type LogLevel, Runtime } from "@temporalio/worker";
import type { Logger } from "pino";

const LEVELS: Readonly<Record<LogLevel, "trace" | "debug" | "info" | "warn" | "error">> = {
	TRACE: "trace",
	DEBUG: "debug",
	INFO: "debug",
	WARN: "warn",
	ERROR: "error",
};

/**
 * What the Temporal SDK logs goes through the process's own logger, and its workers end when this process ends them: left to itself it ends them at a
 * signal, and they would be made anew while the rest is still being stopped. Once per process, before any worker.
 */
export function installTemporalRuntime(log: Logger): void {
	const write = ({ level, message, meta }: LogEntry): void => {
		const { error, ...rest } = meta ?? {};
		log[LEVELS[level]]({ ...rest, ...(error === undefined ? {} : { err: error }) }, message);
	};
	Runtime.install({ logger: new DefaultLogger(log.isLevelEnabled("debug") ? "DEBUG" : "WARN", write), shutdownSignals: [] });
}

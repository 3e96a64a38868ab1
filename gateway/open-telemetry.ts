import type { Logger } from "pino";
import { otlpOptionsOf } from "#activities/telemetry/otlp-options.ts";
import type { CallTelemetry } from "#activities/telemetry/port.ts";
import type { Settings } from "#config/load.ts";

/** Where the settings say calls go as spans; undefined: nowhere, and nothing is kept of a call. */
export async function openTelemetry(
	{ telemetry, gatewayId }: Pick<Settings, "telemetry" | "gatewayId">,
	log: Pick<Logger, "info" | "warn">,
): Promise<CallTelemetry | undefined> {
	if (telemetry === null) return undefined;
	// Loaded where it is used: a gateway that sends none has no memory to spare for it.
	const { createOtlpTelemetry } = await import("#activities/telemetry/otlp.ts");
	const { url, sampler, contentBytesMax } = telemetry;
	log.info({ url, sampler, hasContent: contentBytesMax !== null }, "calls are sent as spans");
	return createOtlpTelemetry(otlpOptionsOf(telemetry, { "service.instance.id": gatewayId, "tollgate.gateway": gatewayId }, log));
}

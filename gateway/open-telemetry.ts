import type { Logger } from "pino";
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
	const { url, headers, serviceName, resourceAttributes, contentBytesMax, ...sending } = telemetry;
	log.info({ url, sampler: sending.sampler, hasContent: contentBytesMax !== null }, "calls are sent as spans");
	return createOtlpTelemetry({
		...sending,
		url,
		headers: Object.fromEntries([...headers].map(([name, value]) => [name, value.reveal()])),
		resource: { "service.instance.id": gatewayId, ...resourceAttributes, "service.name": serviceName, "tollgate.gateway": gatewayId },
		contentBytesMax: contentBytesMax ?? undefined,
		onProblem: (problem) => log.warn({ url, problem }, "spans of calls are lost; calls go on"),
		onRecovered: () => log.info({ url }, "spans of calls are taken again"),
	});
}

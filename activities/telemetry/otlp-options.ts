import type { Logger } from "pino";
import type { TelemetrySettings } from "#config/telemetry.ts";
import type { OtlpOptions } from "./otlp.ts";

/** `resource`: what tells the process apart from others; `service.name` and what the settings say go over it. */
export function otlpOptionsOf(telemetry: TelemetrySettings, resource: Readonly<Record<string, string>>, log: Pick<Logger, "warn" | "info">): OtlpOptions {
	const { url, headers, serviceName, resourceAttributes, contentBytesMax, ...sending } = telemetry;
	return {
		...sending,
		url,
		headers: Object.fromEntries([...headers].map(([name, value]) => [name, value.reveal()])),
		resource: { ...resource, ...resourceAttributes, "service.name": serviceName },
		contentBytesMax: contentBytesMax ?? undefined,
		onProblem: (problem) => log.warn({ url, problem }, "spans are lost; all else goes on"),
		onRecovered: () => log.info({ url }, "spans are taken again"),
	};
}

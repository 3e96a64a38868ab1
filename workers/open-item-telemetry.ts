import { randomUUID } from "node:crypto";
import type { Logger } from "pino";
import { accountOf, deploymentModelOf } from "#activities/batches/job/job-lines.ts";
import { deploymentOf } from "#activities/providers/deployments.ts";
import { otlpOptionsOf } from "#activities/telemetry/otlp-options.ts";
import type { ItemTelemetry } from "#activities/telemetry/port.ts";
import type { Settings } from "#config/load.ts";
import type { ProviderSettings } from "#config/providers.ts";

/** Where the settings say items of batches go as spans; undefined: nowhere, and nothing is kept of them. */
export async function openItemTelemetry(
	{ telemetry }: Pick<Settings, "telemetry">,
	providers: readonly ProviderSettings[],
	log: Pick<Logger, "info" | "warn">,
): Promise<ItemTelemetry | undefined> {
	if (telemetry === null) return undefined;
	// Loaded where it is used, as a gateway does.
	const { createOtlpItemTelemetry } = await import("#activities/telemetry/otlp.ts");
	const { url, sampler, contentBytesMax } = telemetry;
	log.info({ url, sampler, hasContent: contentBytesMax !== null }, "items of batches are sent as spans");
	const accounts = new Map(providers.map((provider) => [provider.name, provider]));
	// Another one with each start: many workers share one name.
	const options = otlpOptionsOf(telemetry, { "service.instance.id": randomUUID(), "tollgate.worker": "batches" }, log);
	return createOtlpItemTelemetry(options, {
		serverOf(batch) {
			const [account, model] = [accounts.get(accountOf(batch)), deploymentModelOf(batch)];
			return { model, origin: account && deploymentOf(account, model).origin };
		},
	});
}
